#pragma once

#include <cstdint>
#include <vector>

namespace muster::vmm {

// What the ACPI tables say of the machine; the numbers are those of the devices.
struct AcpiMachine {
  static constexpr uint16_t kPm1Event = 0x600;    // status, then enable; 2 bytes each
  static constexpr uint16_t kPm1Control = 0x604;  // 2 bytes
  static constexpr uint16_t kPmTimer = 0x608;     // 4 bytes
  static constexpr uint16_t kReset = 0xcf9;
  static constexpr uint8_t kResetValue = 6;
  static constexpr uint8_t kSoftOffType = 5;  // SLP_TYP for S5
  static constexpr unsigned kSciIrq = 9;
};

// The tables, to be put at `address`, which is a multiple of 64 below 1 MiB, the RSDP first: XSDT,
// FADT, FACS, DSDT, MADT. ACPI Specification 5.1, "ACPI Software Programming Model". The MADT names
// the processors up to id 254 by local APIC entries and those above by x2APIC entries, the I/O APIC
// with IRQ 0 on pin 2, and NMI on LINT1.
std::vector<uint8_t> BuildAcpiTables(uint32_t address, int cpus);

}  // namespace muster::vmm
