#include <array>
#include <cerrno>
#include <poll.h>
#include <pthread.h>
#include <utility>

#include <muster/vmm/serial/input_fd.h>
#include <muster/vmm/serial/read_input.h>

namespace muster::vmm {
namespace {

// What one read takes at most: little, for what the guest does not ask for is lost to others who
// read from the same descriptor.
constexpr size_t kChunk = 16;

}  // namespace

InputFd::InputFd(int fd) : fd_(fd), open_(fd >= 0) {}

InputFd::~InputFd() { Stop(); }

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
  stopping_.Signal();
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
  pollfd waits[] = {{fd_, POLLIN, 0}, {stopping_.fd(), POLLIN, 0}};
  while (poll(waits, 2, -1) < 0) {
    if (errno != EINTR) return false;
  }
  wake_ups_.FetchAdd(1, std::memory_order_relaxed);
  return waits[1].revents == 0 && !(waits[0].revents & POLLNVAL);
}

void InputFd::Main() {
  pthread_setname_np(pthread_self(), "input");
  BlockBackgroundStop();

  std::array<uint8_t, kChunk> bytes;
  // Nothing is taken off the descriptor before the guest wants it.
  while (WaitForRoom() && WaitReadable()) {
    const InputRead got = ReadInput(fd_, bytes);
    if (got.kind == InputRead::Kind::kBackground) {
      pollfd stopping{stopping_.fd(), POLLIN, 0};
      poll(&stopping, 1, kBackgroundPollMs);
      wake_ups_.FetchAdd(1, std::memory_order_relaxed);
      Room();
      continue;
    }
    if (got.kind == InputRead::Kind::kNothing) {
      Room();
      continue;
    }
    if (got.kind == InputRead::Kind::kEnd) break;
    std::span<const uint8_t> rest(bytes.data(), got.bytes);
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
