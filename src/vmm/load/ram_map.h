#pragma once

#include <cstdint>
#include <vector>

#include <muster/vmm/memory/guest_memory.h>

namespace muster::vmm {

// A part of the guest's address space as boot protocols tell of it. The types' numbers are those of
// the BIOS function E820h (ACPI Specification, "Address Range Types"), of Multiboot and of PVH.
struct RamRange {
  enum Type : uint32_t { kUsable = 1, kReserved = 2 };

  uint64_t base, end;
  Type type;
};

// Ascending, no empty ones: base memory, what the firmware has below 1 MiB, RAM up to
// `usable_low_end`, that from there to the hole as reserved, and RAM from 4 GiB up.
std::vector<RamRange> BuildRamMap(const GuestMemory& memory, uint64_t usable_low_end);

}  // namespace muster::vmm
