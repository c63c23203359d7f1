#pragma once

#include <muster/vmm/device/port_bus.h>
#include <muster/vmm/device/run_control.h>

namespace muster::vmm {

// The ACPI PM1a control register where QEMU's PC has it (PIIX4). ACPI Specification, "PM1 Control
// Registers": SLP_EN with SLP_TYP 0, there the soft-off state, powers off.
class PowerOff : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0x604;
  static constexpr uint16_t kPorts = 2;

  explicit PowerOff(RunControl& control) : control_(control) {}

  uint32_t Read(uint16_t, int) override { return 0; }
  void Write(uint16_t offset, int, uint32_t value) override {
    constexpr uint32_t kSleepType = 7u << 10, kSleepEnable = 1u << 13;
    const uint32_t bits = value << (8 * offset);  // a byte write to the upper half counts too
    if ((bits & (kSleepEnable | kSleepType)) == kSleepEnable) {
      control_.End({.kind = Ending::Kind::kPowerOff, .detail = "power-off port 0x604"});
    }
  }

 private:
  RunControl& control_;
};

}  // namespace muster::vmm
