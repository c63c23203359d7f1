#pragma once

#include <muster/vmm/device/port_bus.h>
#include <muster/vmm/device/run_control.h>

namespace muster::vmm {

// QEMU's isa-debug-exit: writing v ends the run with exit status (v << 1) | 1.
class DebugExit : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0xf4;
  static constexpr uint16_t kPorts = 4;

  explicit DebugExit(RunControl& control) : control_(control) {}

  uint32_t Read(uint16_t, int) override { return 0; }
  void Write(uint16_t, int, uint32_t value) override {
    control_.End(
        {.kind = Ending::Kind::kGuestExit, .detail = "debug-exit port 0xf4", .guest_value = value});
  }

 private:
  RunControl& control_;
};

}  // namespace muster::vmm
