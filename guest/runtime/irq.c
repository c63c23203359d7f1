#include "runtime/irq.h"

#include "runtime/apic.h"
#include "runtime/console.h"
#include "runtime/layout.h"
#include "runtime/platform.h"
#include "runtime/x86.h"

enum { kExceptions = 32, kNotPresent = 11, kPresentInterruptGate = 0x8E };

// SDM, "64-Bit Mode IDT".
struct Gate {
  uint16_t offset_low;
  uint16_t selector;
  uint8_t stack;
  uint8_t type;
  uint16_t offset_middle;
  uint32_t offset_high;
  uint32_t reserved;
};
_Static_assert(sizeof(struct Gate) == 16, "SDM: 16 bytes");

static struct Gate idt[256] __attribute__((aligned(64)));

extern const uint64_t exception_entries[kExceptions];

static void SetGate(uint8_t vector, uint64_t entry) {
  struct Gate* gate = &idt[vector];
  gate->offset_low = (uint16_t)entry;
  gate->selector = CODE64;
  gate->offset_middle = (uint16_t)(entry >> 16);
  gate->offset_high = (uint32_t)(entry >> 32);
  gate->type = kPresentInterruptGate;
}

void SetHandler(uint8_t vector, InterruptHandler* handler) { SetGate(vector, (uint64_t)handler); }

void LeaveHalt(struct InterruptFrame* frame) {
  extern const char halt_instruction[];
  // Volatile, since the compiler may take the frame for the handler's own.
  volatile uint64_t* rip = &frame->rip;
  if (*rip == (uint64_t)halt_instruction) ++*rip;
}

INTERRUPT_HANDLER(OnWake) { EndOfInterrupt(); }
INTERRUPT_HANDLER(OnSpurious) {}

void BuildInterruptTable(void) {
  for (unsigned vector = 0; vector < kExceptions; ++vector) {
    SetGate((uint8_t)vector, exception_entries[vector]);
  }
  SetHandler(kWakeVector, OnWake);
  SetHandler(kSpuriousVector, OnSpurious);
}

void LoadInterruptTable(void) {
  const struct __attribute__((packed)) {
    uint16_t limit;
    uint64_t base;
  } pointer = {sizeof(idt) - 1, (uint64_t)idt};
  asm volatile("lidt %0" : : "m"(pointer));
}

struct ExceptionFrame {
  uint64_t vector, error;
  struct InterruptFrame interrupted;
};

static const char* const kMnemonics[kExceptions] = {
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "",    "#TS",
    "#NP", "#SS", "#GP", "#PF", "",    "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
};

_Noreturn void UnexpectedException(const struct ExceptionFrame* frame) {
  // A vector without a handler has no gate: the CPU reports that as #NP with the vector in bits
  // 3 up of the error code and IDT (bit 1) set.
  if (frame->vector == kNotPresent && (frame->error & 2)) {
    Fail("interrupt vector 0x%x has no handler, RIP 0x%lx", (uint32_t)frame->error >> 3,
         frame->interrupted.rip);
  }
  const char* const mnemonic = kMnemonics[frame->vector];
  Fail("exception %u %s, error code 0x%x, RIP 0x%lx, RSP 0x%lx, RFLAGS 0x%lx, CR2 0x%lx",
       (uint32_t)frame->vector, mnemonic == 0 ? "" : mnemonic, (uint32_t)frame->error,
       frame->interrupted.rip, frame->interrupted.rsp, frame->interrupted.rflags, ReadCr2());
}
