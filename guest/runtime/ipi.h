// Interrupts from one CPU to another.
#pragma once

#include <stdint.h>

// Fields of the low half of the ICR; SDM, "Interrupt Command Register".
enum Icr {
  kIcrFixed = 0 << 8,
  kIcrLowestPriority = 1 << 8,
  kIcrNmi = 4 << 8,
  kIcrInit = 5 << 8,
  kIcrStartup = 6 << 8,
  kIcrLogical = 1 << 11,
  kIcrPending = 1 << 12,
  kIcrAssert = 1 << 14,
  kIcrLevel = 1 << 15,
  kIcrSelf = 1 << 18,
  kIcrAllIncludingSelf = 2 << 18,
  kIcrAllExcludingSelf = 3 << 18,
};

// Writes the ICR: `destination` is an APIC id, or a logical destination with kIcrLogical. Returns
// when the APIC has taken the message.
void SendIpi(uint32_t icr, uint32_t destination);

void SendFixed(uint32_t cpu, uint8_t vector);
void SendNmi(uint32_t cpu);
void SendInit(uint32_t cpu);
void SendStartup(uint32_t cpu);  // at the runtime's trampoline

// The destination that means every CPU, in the current APIC mode.
uint32_t BroadcastDestination(void);
