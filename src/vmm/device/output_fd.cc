#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <muster/vmm/device/output_fd.h>

namespace muster::vmm {

OutputFd::OutputFd(int fd, std::function<void(const std::string&)> failed)
    : fd_(fd), hurry_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), failed_(std::move(failed)) {}

OutputFd::~OutputFd() { close(hurry_); }

void OutputFd::Hurry() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(hurry_, &one, sizeof(one));
}

bool OutputFd::WaitWritable() {
  // Not O_NONBLOCK on the descriptor itself: it is shared with whoever started this process.
  pollfd waits[] = {{fd_, POLLOUT, 0}, {hurry_, POLLIN, 0}};
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
        failure = std::strerror(errno);
      }
    }
  }
  if (!failure.empty()) failed_(failure);
}

}  // namespace muster::vmm
