#pragma once

#include <muster/vmm/device/port_bus.h>
#include <muster/vmm/device/run_control.h>
#include <muster/vmm/load/acpi_tables.h>

namespace muster::vmm {

// The ACPI PM1a control register where QEMU's PC has it (PIIX4). ACPI Specification, "PM1 Control
// Registers": SLP_EN powers off with the SLP_TYP that the DSDT names for soft off, 5, and with 0,
// which is soft off there.
class PowerOff : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0x604;
  static constexpr uint16_t kPorts = 2;

  explicit PowerOff(RunControl& control) : control_(control) {}

  // SCI_EN: in ACPI mode.
  uint32_t Read(uint16_t offset, int) override { return offset == 0 ? 1 : 0; }
  void Write(uint16_t offset, int, uint32_t value) override {
    constexpr uint32_t kSleepType = 7u << 10, kSleepEnable = 1u << 13;
    const uint32_t bits = value << (8 * offset);  // a byte write to the upper half counts too
    const uint32_t type = (bits & kSleepType) >> 10;
    if ((bits & kSleepEnable) && (type == 0 || type == AcpiMachine::kSoftOffType)) {
      control_.End({.kind = Ending::Kind::kPowerOff, .detail = "power-off port 0x604"});
    }
  }

 private:
  RunControl& control_;
};

}  // namespace muster::vmm
