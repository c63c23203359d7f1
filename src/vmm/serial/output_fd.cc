#include <algorithm>
#include <cerrno>
#include <climits>
#include <poll.h>
#include <unistd.h>

#include <muster/vmm/report/os_error.h>
#include <muster/vmm/serial/output_fd.h>

namespace muster::vmm {

OutputFd::OutputFd(int fd, std::function<void(const std::string&)> failed)
    : fd_(fd), failed_(std::move(failed)) {}

void OutputFd::Hurry() { hurry_.Signal(); }

bool OutputFd::WaitWritable() {
  // Not O_NONBLOCK on the descriptor itself: it is shared with whoever started this process.
  pollfd waits[] = {{fd_, POLLOUT, 0}, {hurry_.fd(), POLLIN, 0}};
  while (poll(waits, 2, -1) < 0 && errno == EINTR) {
  }
  return waits[0].revents != 0 || waits[1].revents == 0;
}

void OutputFd::Write(std::span<const uint8_t> bytes) {
  std::string failure;
  {
    sync::MutexLock lock(mutex_);
    while (!bytes.empty() && !broken_ && WaitWritable()) {
      // A pipe that is writable takes this much without blocking.
      const ssize_t written = write(fd_, bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
      if (written >= 0) {
        bytes = bytes.subspan(static_cast<size_t>(written));
      } else if (errno != EINTR && errno != EAGAIN) {
        broken_ = true;
        failure = OsError();
      }
    }
  }
  if (!failure.empty()) failed_(failure);
}

}  // namespace muster::vmm
