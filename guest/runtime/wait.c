#include "runtime/wait.h"

#include <stddef.h>

#include "runtime/ipi.h"
#include "runtime/irq.h"
#include "runtime/percpu.h"
#include "runtime/x86.h"

void HaltUntil(const atomic_uint* word, uint32_t wanted) {
  DisableInterrupts();
  if (atomic_load(word) != wanted) {
    const struct Wait wait = {(uint64_t)word, wanted,        CALLER_ADDRESS(),
                              kWaitEqual,     sizeof(*word), 1};
    do {
      DeclareWait(&wait);  // anew each time: a handler that spun has withdrawn its own
      EnableInterruptsAndHalt();
      DisableInterrupts();
    } while (atomic_load(word) != wanted);
    DeclareWait(NULL);
  }
  EnableInterrupts();
}

void Wake(uint32_t cpu) { SendFixed(cpu, kWakeVector); }

void SpinRound(struct Spin* spin) {
  Pause();
  if (++spin->rounds % kRoundsBeforeDeclaring == 0) DeclareWait(&spin->wait);
}

void SpinUntil(const atomic_uint* word, uint32_t wanted) {
  SPIN_UNTIL_AT(CALLER_ADDRESS(), atomic_load(word) == wanted, word, kWaitEqual, wanted);
}

void Lock(struct SpinLock* lock) {
  SPIN_UNTIL_AT(CALLER_ADDRESS(), atomic_exchange(&lock->held, 1) == 0, &lock->held, kWaitEqual, 0);
}

void Unlock(struct SpinLock* lock) { atomic_store_explicit(&lock->held, 0, memory_order_release); }
