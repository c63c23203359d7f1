#include "runtime/wait.h"

#include "runtime/ipi.h"
#include "runtime/irq.h"
#include "runtime/percpu.h"
#include "runtime/x86.h"

enum { kRoundsBeforeDeclaring = 4096 };

__attribute__((weak)) void DeclareWait(uint32_t cpu, const atomic_uint* address, uint32_t wanted) {
  (void)cpu, (void)address, (void)wanted;
}

void HaltUntil(const atomic_uint* word, uint32_t wanted) {
  DisableInterrupts();
  if (atomic_load(word) != wanted) {
    DeclareWait(CpuNumber(), word, wanted);
    do {
      EnableInterruptsAndHalt();
      DisableInterrupts();
    } while (atomic_load(word) != wanted);
    DeclareWait(CpuNumber(), NULL, 0);
  }
  EnableInterrupts();
}

void Wake(uint32_t cpu) { SendFixed(cpu, kWakeVector); }

void SpinUntil(const atomic_uint* word, uint32_t wanted) {
  uint32_t rounds = 0;
  while (atomic_load(word) != wanted) {
    Pause();
    if (++rounds == kRoundsBeforeDeclaring) DeclareWait(CpuNumber(), word, wanted);
  }
  if (rounds >= kRoundsBeforeDeclaring) DeclareWait(CpuNumber(), NULL, 0);
}

void Lock(struct SpinLock* lock) {
  while (atomic_exchange(&lock->held, 1) != 0) SpinUntil(&lock->held, 0);
}

void Unlock(struct SpinLock* lock) { atomic_store_explicit(&lock->held, 0, memory_order_release); }
