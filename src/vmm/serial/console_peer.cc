#include <array>
#include <poll.h>
#include <pthread.h>
#include <utility>

#include <muster/vmm/serial/console_peer.h>
#include <muster/vmm/serial/read_input.h>

namespace muster::vmm {

ConsolePeer::ConsolePeer(int input_fd, int output_fd, Hooks hooks)
    : input_fd_(input_fd),
      hooks_(std::move(hooks)),
      output_(output_fd, [this](const auto& why) { callbacks_.lost(why); }) {}

void ConsolePeer::Start(Callbacks callbacks) {
  callbacks_ = std::move(callbacks);
  thread_ = std::thread([this] { Main(); });
}

void ConsolePeer::StopInput() {
  stop_.Store(true, std::memory_order_seq_cst);
  wake_.Signal();
  if (thread_.joinable()) thread_.join();
}

void ConsolePeer::Room() {
  if (pending_.wanted()) wake_.Signal();
}

bool ConsolePeer::Sleep(int fd, int timeout_ms) {
  pollfd waits[] = {{fd, POLLIN, 0}, {wake_.fd(), POLLIN, 0}};
  poll(waits, 2, timeout_ms);
  wake_ups_.FetchAdd(1, std::memory_order_relaxed);
  if (waits[1].revents != 0) wake_.Clear();  // before what it is about is looked at
  return !stop_.Load(std::memory_order_seq_cst);
}

void ConsolePeer::Press(std::span<const uint8_t> keys) {
  std::vector<uint8_t> guest;
  for (const uint8_t key : keys) {
    const auto command = keys_.Press(key, guest);
    if (command) hooks_.command(*command);
  }
  pending_.Add(guest);
}

void ConsolePeer::Main() {
  pthread_setname_np(pthread_self(), "input");
  BlockBackgroundStop();
  std::array<uint8_t, 256> keys;
  int fd = input_fd_;
  int timeout_ms = -1;
  for (;;) {
    pending_.Deliver(callbacks_.receive);
    if (fd < 0 && pending_.empty()) break;
    if (!Sleep(timeout_ms < 0 ? fd : -1, timeout_ms)) return;
    timeout_ms = -1;
    pollfd input{fd, POLLIN, 0};
    if (fd < 0 || poll(&input, 1, 0) == 0) continue;
    const InputRead got = ReadInput(fd, keys);
    switch (got.kind) {
      case InputRead::Kind::kBytes:
        hooks_.pressed();
        Press(std::span(keys).first(got.bytes));
        break;
      case InputRead::Kind::kNothing:
        break;
      case InputRead::Kind::kBackground:
        timeout_ms = kBackgroundPollMs;
        break;
      case InputRead::Kind::kEnd:
        fd = -1;
        break;
    }
  }
  open_.Store(false, std::memory_order_release);
  callbacks_.ended();
}

}  // namespace muster::vmm
