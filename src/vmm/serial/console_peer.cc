#include <array>
#include <poll.h>
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
  thread_.Start([this] { Main(); });
}

void ConsolePeer::Room() {
  if (pending_.wanted()) thread_.Wake();
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
  BlockBackgroundStop();
  std::array<uint8_t, 256> keys;
  int fd = input_fd_;
  int timeout_ms = -1;
  for (;;) {
    pending_.Deliver(callbacks_.receive);
    if (fd < 0 && pending_.empty()) break;
    pollfd input{timeout_ms < 0 ? fd : -1, POLLIN, 0};
    if (!thread_.Sleep(input, timeout_ms)) return;
    timeout_ms = -1;
    input.fd = fd;
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
