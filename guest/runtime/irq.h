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

// Takes the CPU past the HLT that it is about to execute. STI's shadow does not always hold until
// there: an NMI uses it up, and a processor may forget it, as QEMU's VMRUN does. An interrupt that
// comes between STI and HLT would be the wake that the HLT then sleeps through. Each handler begins
// with this.
void LeaveHalt(struct InterruptFrame* frame);

#define INTERRUPT_HANDLER(name)                                                         \
  static inline __attribute__((always_inline)) void name##Body(struct InterruptFrame*); \
  __attribute__((interrupt)) static void name(struct InterruptFrame* frame) {           \
    LeaveHalt(frame);                                                                   \
    name##Body(frame);                                                                  \
  }                                                                                     \
  static inline void name##Body(struct InterruptFrame* frame __attribute__((unused)))

typedef void InterruptHandler(struct InterruptFrame* frame);

// For exceptions without an error code, NMI and external interrupts.
void SetHandler(uint8_t vector, InterruptHandler* handler);

// Of the runtime: gates for the exceptions, then on each CPU its table register.
void BuildInterruptTable(void);
void LoadInterruptTable(void);
