#pragma once

#include <cstdint>

namespace muster::vcpu {

// How the bootstrap processor begins, in place of the reset vector. Interrupts are off.
struct StartState {
  // Of the processor.
  enum class Mode : uint8_t {
    kReal,         // 16-bit; CS base is rip & ~0xf, below 1 MiB
    kProtected32,  // flat 4 GiB segments, paging off (Multiboot, "Machine state"); below 4 GiB
    kLong64,       // flat, long mode, paging on with the tables at cr3, on a page boundary
  };
  Mode mode = Mode::kProtected32;
  uint64_t rip = 0;
  uint64_t rsp = 0;
  uint64_t rax = 0, rbx = 0, rsi = 0, rdi = 0;
  uint64_t cr3 = 0;        // kLong64 only
  uint64_t gdt_base = 0;   // a table that fits the selectors; limit 0 leaves GDTR useless, as
  uint16_t gdt_limit = 0;  // Multiboot does
  uint16_t code_selector = 0x08, data_selector = 0x10;  // not kReal
};

}  // namespace muster::vcpu
