#include "runtime/ipi.h"

#include "runtime/apic.h"
#include "runtime/layout.h"
#include "runtime/percpu.h"
#include "runtime/x86.h"

void SendIpi(uint32_t icr, uint32_t destination) {
  if (ThisCpu()->x2apic) {
    // WRMSR to the x2APIC is not serializing: what was stored before must be seen by whoever the
    // interrupt reaches. SDM, "WRMSR ... x2APIC": MFENCE; LFENCE.
    asm volatile("mfence; lfence" : : : "memory");
    WriteMsr(kMsrX2Apic + kApicIcrLow, (uint64_t)destination << 32 | icr);
    return;
  }
  // Two registers: a handler that sends must not come between them.
  const uint64_t flags = SaveAndDisableInterrupts();
  WriteApic(kApicIcrHigh, destination << 24);
  WriteApic(kApicIcrLow, icr);
  while (ReadApic(kApicIcrLow) & kIcrPending) Pause();
  RestoreInterrupts(flags);
}

void SendFixed(uint32_t cpu, uint8_t vector) { SendIpi(kIcrFixed | kIcrAssert | vector, cpu); }

void SendNmi(uint32_t cpu) { SendIpi(kIcrNmi | kIcrAssert, cpu); }

void SendInit(uint32_t cpu) { SendIpi(kIcrInit | kIcrAssert, cpu); }

void SendStartup(uint32_t cpu) { SendIpi(kIcrStartup | kIcrAssert | TRAMPOLINE >> 12, cpu); }

uint32_t BroadcastDestination(void) { return ThisCpu()->x2apic ? 0xFFFFFFFF : 0xFF; }
