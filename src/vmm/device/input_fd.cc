#include <array>
#include <cerrno>
#include <csignal>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utility>

#include <muster/vmm/device/input_fd.h>

namespace muster::vmm {
namespace {

// What one read takes at most: little, for what the guest does not ask for is lost to others who
// read from the same descriptor.
constexpr size_t kChunk = 16;
constexpr int kBackgroundPollMs = 1000;

}  // namespace

InputFd::InputFd(int fd)
    : fd_(fd), stopping_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), open_(fd >= 0) {}

InputFd::~InputFd() {
  Stop();
  close(stopping_);
}

void InputFd::Start(Callbacks callbacks) {
  callbacks_ = std::move(callbacks);
  if (fd_ >= 0) thread_ = std::thread([this] { Main(); });
}

void InputFd::Stop() {
  {
    sync::MutexLock lock(mutex_);
    stop_ = true;
    changed_.Signal();
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(stopping_, &one, sizeof(one));
  if (thread_.joinable()) thread_.join();
}

void InputFd::Room() {
  sync::MutexLock lock(mutex_);
  room_ = true;
  changed_.Signal();
}

bool InputFd::WaitForRoom() {
  sync::MutexLock lock(mutex_);
  while (!room_ && !stop_) {
    changed_.Wait(mutex_);
    wake_ups_.FetchAdd(1, std::memory_order_relaxed);
  }
  room_ = false;
  return !stop_;
}

bool InputFd::WaitReadable() {
  pollfd waits[] = {{fd_, POLLIN, 0}, {stopping_, POLLIN, 0}};
  while (poll(waits, 2, -1) < 0) {
    if (errno != EINTR) return false;
  }
  wake_ups_.FetchAdd(1, std::memory_order_relaxed);
  return waits[1].revents == 0 && !(waits[0].revents & POLLNVAL);
}

void InputFd::Main() {
  pthread_setname_np(pthread_self(), "input");
  // A job in the background that reads from its terminal is stopped, unless this is blocked: then
  // read() gives EIO.
  sigset_t background;
  sigemptyset(&background);
  sigaddset(&background, SIGTTIN);
  pthread_sigmask(SIG_BLOCK, &background, nullptr);

  std::array<uint8_t, kChunk> bytes;
  // Nothing is taken off the descriptor before the guest wants it.
  while (WaitForRoom() && WaitReadable()) {
    const ssize_t got = read(fd_, bytes.data(), bytes.size());
    if (got < 0 && errno == EIO && isatty(fd_) && tcgetpgrp(fd_) != getpgrp()) {
      pollfd stopping{stopping_, POLLIN, 0};
      poll(&stopping, 1, kBackgroundPollMs);
      wake_ups_.FetchAdd(1, std::memory_order_relaxed);
      Room();
      continue;
    }
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
      Room();
      continue;
    }
    if (got <= 0) break;
    std::span<const uint8_t> rest(bytes.data(), static_cast<size_t>(got));
    for (;;) {
      rest = rest.subspan(callbacks_.receive(rest));
      if (rest.empty()) break;
      if (!WaitForRoom()) return;
    }
    Room();  // it took all: there may be room for more
  }
  open_.Store(false, std::memory_order_release);
  callbacks_.ended();
}

}  // namespace muster::vmm
