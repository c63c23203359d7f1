// Waiting. A CPU that waits for another either sleeps, and is woken by Wake(), or spins.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

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

// Called when a wait has lasted long, with what `cpu` waits for, and again with a null address
// when such a wait is over. Does nothing, unless the guest defines a function of this name.
void DeclareWait(uint32_t cpu, const atomic_uint* address, uint32_t wanted);
