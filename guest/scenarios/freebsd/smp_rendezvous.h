// FreeBSD's rendezvous of CPUs: smp_rendezvous_cpus() and smp_rendezvous_action() of
// sys/kern/subr_smp.c, as they were in 2011 and as they are today, with two ways in between.
//
// The initiator holds one spin lock for the whole call, with interrupts off. It publishes the
// parameters and zeroes the counters, interrupts the others, and takes part itself if it is in the
// map. Each CPU comes past four counters: [0] it has begun, [1] setup is done, [2] the action is
// done, and [3] it will touch nothing any more. A null function means that there is none, and the
// barrier stays; smp_no_rendezvous_barrier takes the barrier away too.
#pragma once

#include "runtime/guest.h"

enum { kIpiRendezvous = 0xE1 };

struct RendezvousPolicy {
  const char* word;       // on the command line
  bool parameters_first;  // read before the CPU adds to [0], so while the initiator may yet write
  bool generation;        // the exit barrier also ends when the next call has begun
  bool last_counter;      // [3] is added to, and the initiator waits for it before it returns
  bool next_waits;        // [3] is added to, and the next initiator waits for it before it resets
};

static const struct RendezvousPolicy kRendezvousPolicies[] = {
    {.word = "variant=2011", .parameters_first = true},
    {.word = "variant=generation", .parameters_first = true, .generation = true},
    {.word = "variant=waiters3", .last_counter = true},
    {.word = "variant=entry-wait", .next_waits = true},
};

typedef void RendezvousFunction(void* argument);

struct RendezvousParameters {
  uint32_t ncpus;
  RendezvousFunction *setup, *action, *teardown;
  void* argument;
};

static const struct RendezvousPolicy* smp_rv_policy = &kRendezvousPolicies[0];
static struct RendezvousParameters smp_rv;
static atomic_uint smp_rv_waiters[4];
static atomic_uint smp_rv_generation;
static uint32_t smp_rv_last_ncpus;  // of the call before
static atomic_uint smp_ipi_mtx;
static atomic_uint smp_rv_served[MAX_CPUS];  // calls that each CPU has taken part in, as a target
static atomic_uint smp_rv_owed[MAX_CPUS];    // interrupted for a call, and not begun with it

static inline void smp_no_rendezvous_barrier(void* argument) { (void)argument; }

// A FreeBSD spin mutex: interrupts are off while it is held, and as they were while it is waited
// for.
static inline uint64_t mtx_lock_spin(atomic_uint* mutex) {
  const uint64_t flags = SaveAndDisableInterrupts();
  GATE("locking");
  while (atomic_exchange(mutex, 1) != 0) {
    RestoreInterrupts(flags);
    SPIN_UNTIL(atomic_load(mutex) == 0, mutex, kWaitEqual, 0);
    DisableInterrupts();
  }
  return flags;
}

static inline void mtx_unlock_spin(atomic_uint* mutex, uint64_t flags) {
  atomic_store_explicit(mutex, 0, memory_order_release);
  RestoreInterrupts(flags);
}

static inline void AwaitWaiters(uint32_t counter, uint32_t ncpus) {
  SPIN_UNTIL(atomic_load(&smp_rv_waiters[counter]) >= ncpus, &smp_rv_waiters[counter], kWaitAtLeast,
             ncpus);
}

static __attribute__((noinline)) void smp_rendezvous_action(void) {
  GATE("enter");
  struct RendezvousParameters rv = {0};
  if (smp_rv_policy->parameters_first) rv = smp_rv;
  atomic_fetch_add_explicit(&smp_rv_waiters[0], 1, memory_order_acquire);
  GATE("start-added");
  AwaitWaiters(0, smp_rv.ncpus);
  if (!smp_rv_policy->parameters_first) rv = smp_rv;

  if (rv.setup != smp_no_rendezvous_barrier) {
    if (rv.setup != NULL) rv.setup(rv.argument);
    atomic_fetch_add(&smp_rv_waiters[1], 1);
    AwaitWaiters(1, rv.ncpus);
  }

  if (rv.action != NULL) rv.action(rv.argument);

  const uint32_t generation = atomic_load(&smp_rv_generation);
  const bool leaves_at_once = rv.teardown == smp_no_rendezvous_barrier;
  GATE("exit-add");
  if (!leaves_at_once || smp_rv_policy->parameters_first) {
    atomic_fetch_add(&smp_rv_waiters[2], 1);
  }
  GATE("exit-added");
  if (!leaves_at_once) {
    if (smp_rv_policy->generation) {
      SPIN_UNTIL(atomic_load(&smp_rv_waiters[2]) >= rv.ncpus ||
                     atomic_load(&smp_rv_generation) != generation,
                 &smp_rv_waiters[2], kWaitAtLeast, rv.ncpus);
    } else {
      AwaitWaiters(2, rv.ncpus);
    }
    GATE("teardown");
    if (rv.teardown != NULL) rv.teardown(rv.argument);
  }
  // After the last access to what the initiator's caller owns.
  if (smp_rv_policy->last_counter || smp_rv_policy->next_waits) {
    atomic_fetch_add_explicit(&smp_rv_waiters[3], 1, memory_order_release);
  }
  GATE("done");
}

// Takes part in the call that this CPU is wanted for, if it has not been served yet.
static inline void ServeRendezvous(void) {
  const uint32_t self = CpuNumber();
  if (atomic_exchange(&smp_rv_owed[self], 0) == 0) return;
  smp_rendezvous_action();
  atomic_fetch_add(&smp_rv_served[self], 1);
}

INTERRUPT_HANDLER(OnRendezvous) {
  ServeRendezvous();
  EndOfInterrupt();
}

// Has the `ncpus` CPUs of `map` (bit n: CPU n) run the functions together.
static __attribute__((noinline)) void smp_rendezvous_cpus(uint64_t map, uint32_t ncpus,
                                                          RendezvousFunction* setup,
                                                          RendezvousFunction* action,
                                                          RendezvousFunction* teardown,
                                                          void* argument) {
  GATE("call");
  const uint64_t flags = mtx_lock_spin(&smp_ipi_mtx);
  GATE("locked");
  if (smp_rv_policy->next_waits) AwaitWaiters(3, smp_rv_last_ncpus);

  smp_rv = (struct RendezvousParameters){ncpus, setup, action, teardown, argument};
  smp_rv_last_ncpus = ncpus;
  atomic_fetch_add(&smp_rv_generation, 1);
  atomic_store(&smp_rv_waiters[1], 0);
  atomic_store(&smp_rv_waiters[2], 0);
  atomic_store(&smp_rv_waiters[3], 0);
  atomic_store_explicit(&smp_rv_waiters[0], 0, memory_order_release);
  GATE("reset");

  const uint32_t self = CpuNumber();
  for (uint32_t cpu = 0; cpu < CpuCount(); ++cpu) {
    if (cpu == self || !(map >> cpu & 1)) continue;
    atomic_store(&smp_rv_owed[cpu], 1);
    SendFixed(cpu, kIpiRendezvous);
  }
  GATE("sent");
  const bool takes_part = (map >> self & 1) != 0;
  if (takes_part) smp_rendezvous_action();
  if (smp_rv_policy->last_counter) {
    AwaitWaiters(3, ncpus);
  } else if (teardown == smp_no_rendezvous_barrier && smp_rv_policy->parameters_first) {
    AwaitWaiters(2, ncpus);
  }
  mtx_unlock_spin(&smp_ipi_mtx, flags);
  GATE("returned");
}

// Once, before the first call and with the other CPUs started. `word` is one of the policies'.
static inline void UseRendezvous(const char* word) {
  for (size_t i = 0; i < sizeof(kRendezvousPolicies) / sizeof(kRendezvousPolicies[0]); ++i) {
    const char *a = word, *b = kRendezvousPolicies[i].word;
    while (*a != '\0' && *a == *b) ++a, ++b;
    if (*a == *b) smp_rv_policy = &kRendezvousPolicies[i];
  }
  SetHandler(kIpiRendezvous, OnRendezvous);
}

// The policy that the command line names.
static inline void BeginRendezvous(void) {
  const char* word = kRendezvousPolicies[0].word;
  for (size_t i = 0; i < sizeof(kRendezvousPolicies) / sizeof(kRendezvousPolicies[0]); ++i) {
    if (CommandLineHas(kRendezvousPolicies[i].word)) word = kRendezvousPolicies[i].word;
  }
  UseRendezvous(word);
}
