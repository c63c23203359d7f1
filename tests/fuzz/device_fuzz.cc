// Every device of the PC by its ports, with input on the serial line in between.
#include <array>
#include <fcntl.h>

#include <muster/vmm/machine/pc_devices.h>
#include <muster/vmm/serial/fd_peer.h>

#include "fuzz_input.h"

namespace muster::vmm {
namespace {

// Ports at and around which there are devices.
constexpr std::array<uint16_t, 16> kPorts = {0x20,  0x40,  0x60,   0x70,  0x90,  0xa0,
                                             0xe0,  0xf4,  0x3d4,  0x3f8, 0x4d0, 0x510,
                                             0x600, 0xcf9, 0x2000, 0x8900};

// A clock that goes by leaps.
struct LeapingTimer : DeviceTimer {
  uint64_t NowNs() override { return now; }
  void Arm(uint64_t deadline_ns) override { deadline = deadline_ns; }
  uint64_t now = 0, deadline = kNever;
};

struct Board : RunControl, IrqSink {
  void End(Ending ending) override { ExitStatusOf(ending); }
  void SoftReset() override {}
  void SetLine(unsigned line, bool asserted) override {
    if (line >= 24) testing::Require("a line that no pin has");
    const uint32_t bit = 1u << line;
    // The test device may repeat itself; COM1 must not.
    if (line == 4 && !test_lines_used && ((lines & bit) != 0) == asserted) {
      testing::Require("COM1 has set its line to what it was");
    }
    lines = asserted ? lines | bit : lines & ~bit;
  }
  uint32_t lines = 0;
  bool test_lines_used = false;
};

}  // namespace
}  // namespace muster::vmm

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace muster::vmm;
  static const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  static const auto memory = GuestMemory::Create(uint64_t{1} << 20);
  Board board;
  FdPeer serial(/*input_fd=*/-1, nowhere);
  LeapingTimer timers[PcDevices::kTimers];
  PcDevices devices(board, board, {timers[0], timers[1]}, serial, *memory, 4);

  muster::testing::FuzzInput input(data, size);
  while (!input.empty()) {
    const auto what = input.Take<uint8_t>();
    const auto port =
        static_cast<uint16_t>(kPorts[(what >> 3) % kPorts.size()] + (input.Take<uint8_t>() & 0x1f));
    const int width = 1 << what % 3;
    board.test_lines_used = board.test_lines_used || (port >= 0x1ffd && port < 0x2018);
    if (what & 4) {
      devices.ports().Write(port, width, input.Take<uint32_t>());
    } else {
      const uint64_t value = devices.ports().Read(port, width);
      if (value >> (8 * width) != 0) muster::testing::Require("a read wider than was asked for");
    }
    // Time passes, or the processor acknowledges.
    const uint64_t passed = what >= 0xe0 && what < 0xe8 ? input.Take<uint32_t>() : 0;
    for (const auto which : {PcDevices::kPitTimer, PcDevices::kRtcTimer}) {
      LeapingTimer& timer = timers[which];
      timer.now += passed;
      if (timer.now < timer.deadline) continue;
      timer.deadline = DeviceTimer::kNever;
      devices.TimerExpired(which);
      if (timer.deadline <= timer.now) muster::testing::Require("a deadline that has passed");
    }
    if (what >= 0xe8 && what < 0xf0 && devices.pics().Asserted()) {
      devices.pics().Acknowledge();
    }
    // Bytes arrive on the serial line.
    if (what >= 0xf0) {
      const std::array<uint8_t, 20> bytes{};
      devices.Receive(std::span(bytes).first(what % 20));
    }
  }
  devices.Stop();
  return 0;
}
