// Waiting. A CPU that waits for another either sleeps, and is woken by Wake(), or spins.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/x86.h"

// Sleeps until *word == wanted. Whoever stores that value calls Wake(this CPU) after it. To be
// called with interrupts on.
void HaltUntil(const atomic_uint* word, uint32_t wanted);

// Ends another CPU's HaltUntil(), if the word it waits for has been stored.
void Wake(uint32_t cpu);

// Spins until *word == wanted, with PAUSE. Interrupts stay as they are.
void SpinUntil(const atomic_uint* word, uint32_t wanted);

// A spin lock. Not to be taken by interrupt handlers while their CPU may hold it.
struct SpinLock {
  atomic_uint held;
};

void Lock(struct SpinLock* lock);
void Unlock(struct SpinLock* lock);

// What a CPU waits for, as a script's run sees it.
enum WaitRelation { kWaitEqual, kWaitAtLeast, kWaitDiffers, kWaitBitsClear };

struct Wait {
  uint64_t address;
  uint64_t wanted;
  uint64_t site;      // the code that waits
  uint32_t relation;  // enum WaitRelation, between the word and `wanted`
  uint16_t size;      // of the word, in bytes
  uint16_t halts;     // not 0: asleep, and not spinning
};

// Tells a script's run of a wait that has lasted; null: it is over. A spin says so again and again.
void DeclareWait(const struct Wait* wait);

// Spins until `condition`, which depends on *word. For those who look on, the wait is for *word to
// be `wanted`, or to have another relation to it.
#define SPIN_UNTIL(condition, word, relation, wanted) \
  SPIN_UNTIL_AT(CodeAddress(), condition, word, relation, wanted)

// The same, and the code that waits is at `site`: for functions of which the caller's line is
// wanted.
#define SPIN_UNTIL_AT(site, condition, word, relation, wanted)                                    \
  for (struct Spin spin_ = {{(uint64_t)(word), (wanted), (site), (relation), sizeof(*(word)), 0}, \
                            0};                                                                   \
       !(condition) || EndSpin(&spin_); SpinRound(&spin_)) {                                      \
  }

// Of the macro.
struct Spin {
  struct Wait wait;
  uint32_t rounds;
};

enum { kRoundsBeforeDeclaring = 256 };

void SpinRound(struct Spin* spin);

static inline bool EndSpin(const struct Spin* spin) {
  if (spin->rounds >= kRoundsBeforeDeclaring) DeclareWait(0);
  return false;
}
