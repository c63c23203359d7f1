// Interrupt handlers.
//
//   INTERRUPT_HANDLER(OnPing) {
//     ++pings;
//     EndOfInterrupt();
//   }
//   ...
//   SetHandler(0x40, OnPing);
//
// All CPUs share one table. A vector that has no handler ends the run as a failure when it comes.
// Do not spend `int n` on a test: KVMs that emulate instructions refuse it in 64-bit code.
#pragma once

#include <stdint.h>

enum {
  kNmiVector = 2,
  kFirstFreeVector = 0x20,
  kLastFreeVector = 0xEF,
  kWakeVector = 0xF0,      // wait.h
  kSpuriousVector = 0xFF,  // counted nowhere, acknowledged never
};

struct InterruptFrame {
  uint64_t rip, cs, rflags, rsp, ss;
};

#define INTERRUPT_HANDLER(name) \
  __attribute__((interrupt)) static void name(struct InterruptFrame* frame __attribute__((unused)))

typedef void InterruptHandler(struct InterruptFrame* frame);

// For exceptions without an error code, NMI and external interrupts.
void SetHandler(uint8_t vector, InterruptHandler* handler);

// For NMI handlers. An NMI between STI and HLT uses up STI's shadow: an interrupt would be taken
// before the HLT, which would then sleep through it. This takes the CPU past the HLT instead.
void LeaveHalt(struct InterruptFrame* frame);

// Of the runtime: gates for the exceptions, then on each CPU its table register.
void BuildInterruptTable(void);
void LoadInterruptTable(void);
