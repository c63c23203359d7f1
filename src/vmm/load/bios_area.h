#pragma once

#include <absl/status/status.h>
#include <cstdint>

#include <muster/vmm/memory/guest_memory.h>

namespace muster::vmm {

// The low megabyte as a PC's firmware leaves it:
//
//   0 to 4FF          BIOS data: COM1 (40:00), EBDA (40:0E), base memory (40:13)
//   9FC00 to 9FFFF    EBDA: its size
//   A0000 to BFFFF    plain RAM in place of a screen
//   E0000 to EFFFF    ACPI tables
//   F0000 to FFFFF    MP tables, SMBIOS, the boot ROM's code
//
// All of it is RAM that a guest may use as it likes, and an image may be loaded over it.
struct BiosArea {
  static constexpr uint64_t kExtendedData = 0x9fc00;  // where the base memory ends
  static constexpr uint64_t kAcpiTables = 0xe0000;    // RSDP first
  static constexpr uint64_t kMpTables = 0xf0000;
  static constexpr uint64_t kSmbios = 0xf8000;
  static constexpr uint64_t kEnd = 0x100000;
};

// The vector at 40:67 is left as it is.
absl::Status WriteBiosArea(int cpus, GuestMemory& memory);

}  // namespace muster::vmm
