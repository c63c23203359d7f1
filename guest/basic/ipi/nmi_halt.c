#include "nmi_halt.h"

extern const char nmi_halt_test[], nmi_halt_end[];

// Returns 1 once *word != 0, 0 when HLT ends. Both labels are RestartNmiHalt's.
uint32_t TestOrHalt(const atomic_uint* word);
asm(".text\n"
    "TestOrHalt:\n"
    "nmi_halt_test:\n"
    "  xor %eax, %eax\n"
    "  cmpl $0, (%rdi)\n"
    "  jne 1f\n"
    "  hlt\n"
    "nmi_halt_end:\n"
    "  ret\n"
    "1:\n"
    "  inc %eax\n"
    "  ret\n");

uint32_t NmiHalt(const atomic_uint* word) {
  uint32_t for_nothing = 0;
  while (TestOrHalt(word) == 0) {
    if (atomic_load(word) == 0) ++for_nothing;
  }
  return for_nothing;
}

void RestartNmiHalt(struct InterruptFrame* frame) {
  // Volatile, since the compiler may take the frame for the handler's own.
  volatile uint64_t* rip = &frame->rip;
  if (*rip >= (uint64_t)nmi_halt_test && *rip < (uint64_t)nmi_halt_end) {
    *rip = (uint64_t)nmi_halt_test;
  }
}
