// Gates: named points at which a script may hold a CPU, to force an interleaving (docs/guests.md).
// Where nobody listens, under `muster run` or on another machine, they cost one branch.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
  kGatePort =
      0x5E0,  // 32 bits: the address of the gate's name; read: kGateMagic if there is a script
  kWaitPort = 0x5E4,  // 32 bits: the address of a struct Wait, or 0
  kGateMagic = 0x65746147,
};

// Whether this run has a script.
extern bool scripted;

// This CPU has come to the gate `name`, a string literal of lower-case letters, digits and '-'. The
// variants of a protocol have the same gates: they belong to code that the variants share.
#define GATE(name)                                                              \
  do {                                                                          \
    if (scripted) {                                                             \
      asm volatile("outl %0, %1"                                                \
                   :                                                            \
                   : "a"((uint32_t)(uintptr_t)(name)), "d"((uint16_t)kGatePort) \
                   : "memory");                                                 \
    }                                                                           \
  } while (0)

// Of the runtime.
void InitGates(void);
