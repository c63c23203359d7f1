#pragma once

#include <absl/status/statusor.h>
#include <cstdint>

#include <muster/vmm/memory/guest_memory.h>

namespace muster::vmm {

// What a guest that begins in long mode finds at the end of the RAM below 3 GiB, from the top: a
// stack, a GDT with 64-bit code at selector 8 and data at 16, and page tables that map the low
// 4 GiB onto themselves with 2 MiB pages, writable and executable.
struct LongModeTables {
  static constexpr uint64_t kBytes = 11 * GuestMemory::kPage;  // of all this

  uint64_t stack_top;
  uint64_t gdt_base;
  uint16_t gdt_limit;
  uint64_t cr3;
};

// Fills LongModeTables::kBytes at `base`, which is page-aligned.
absl::StatusOr<LongModeTables> WriteLongModeTables(uint64_t base, GuestMemory& memory);

}  // namespace muster::vmm
