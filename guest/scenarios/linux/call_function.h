// Linux's calls to several CPUs, as they were from 2009 to 2013: kernel/smp.c,
// smp_call_function_many() and generic_smp_call_function_interrupt().
//
// Each CPU has one element (call_function_data) for its own calls: a mask of those that have yet to
// run it, and a count of them. Elements in use are on one list. All calls have one vector: who gets
// it walks the whole list, under no lock, and looks for itself in every mask. The last one takes
// the element off the list and unlocks it, whereupon its owner may use it again, with a walker
// perhaps still on it.
#pragma once

#include "runtime/guest.h"

enum { kCallFunction = 0xE5, kMostOwners = 5, kCfdLock = 1 };

struct list_head {
  struct list_head* volatile next, * volatile prev;
};

struct call_function_data {
  struct list_head list;  // first: a list_head is an element
  void (*func)(void* info);
  void* info;
  atomic_uint flags;
  atomic_int refs;
  atomic_uint cpumask;
};

// The order in which an element is made ready, and in which a walker looks at it.
struct CallFunctionPolicy {
  bool adds_at_tail;  // not at the head
  enum { kRefsBeforeList, kRefsAfterList } refs;
  enum { kClearAndRun, kClearThenLook, kLookThenClear } walk;
  bool keeps_empty;  // a call for nobody is made all the same
};

static struct CallFunctionPolicy cfd_policy = {.refs = kRefsAfterList, .walk = kLookThenClear};
static struct call_function_data cfd_data[kMostOwners];
static struct list_head call_function = {&call_function, &call_function};
static atomic_uint call_function_lock;
static atomic_uint list_corruptions;
static atomic_int lowest_refs;
static atomic_uint interrupts_done[kMostOwners];

// LIST_POISON2: the kernel leaves it behind, and finds it again (CONFIG_DEBUG_LIST).
static struct list_head* const kListPoison = (struct list_head*)0xdead000000000200;

static inline uint64_t LockCalls(void) {
  const uint64_t flags = SaveAndDisableInterrupts();
  SPIN_UNTIL(atomic_exchange(&call_function_lock, 1) == 0, &call_function_lock, kWaitEqual, 0);
  return flags;
}

static inline void UnlockCalls(uint64_t flags) {
  atomic_store(&call_function_lock, 0);
  RestoreInterrupts(flags);
}

static inline void list_add_between(struct list_head* entry, struct list_head* prev,
                                    struct list_head* next) {
  entry->next = next;
  entry->prev = prev;
  prev->next = entry;
  next->prev = entry;
}

// `next` stays: walkers may be there.
static inline void list_del_rcu(struct list_head* entry) {
  if (entry->prev == kListPoison) {
    atomic_fetch_add(&list_corruptions, 1);
    return;
  }
  entry->next->prev = entry->prev;
  entry->prev->next = entry->next;
  entry->prev = kListPoison;
}

static inline void cfd_lock_wait(struct call_function_data* cfd) {
  SPIN_UNTIL((atomic_load(&cfd->flags) & kCfdLock) == 0, &cfd->flags, kWaitBitsClear, kCfdLock);
}

static inline int Weight(uint32_t mask) {
  int weight = 0;
  for (; mask != 0; mask &= mask - 1) ++weight;
  return weight;
}

static inline void QueueCall(struct call_function_data* cfd) {
  struct list_head* const head = &call_function;
  if (cfd_policy.adds_at_tail) {
    list_add_between(&cfd->list, head->prev, head);
  } else {
    list_add_between(&cfd->list, head, head->next);
  }
}

// Has those of `cpus_wanted` (bit n: CPU n) call `func`; others may change that word meanwhile.
static __attribute__((noinline)) void smp_call_function_many(const atomic_uint* cpus_wanted,
                                                             void (*func)(void*), void* info,
                                                             bool wait) {
  struct call_function_data* const cfd = &cfd_data[CpuNumber()];
  GATE("call");
  if (atomic_load(cpus_wanted) == 0) return;
  GATE("checked");
  cfd_lock_wait(cfd);
  atomic_store(&cfd->flags, kCfdLock);
  cfd->func = func;
  cfd->info = info;
  const uint32_t mask = atomic_load(cpus_wanted);
  atomic_store(&cfd->cpumask, mask);
  const int weight = Weight(mask);
  if (weight == 0 && !cfd_policy.keeps_empty) {
    atomic_store(&cfd->flags, 0);
    return;
  }
  GATE("weighed");
  if (cfd_policy.refs == kRefsBeforeList) atomic_store(&cfd->refs, weight);
  GATE("counted");
  const uint64_t flags = LockCalls();
  QueueCall(cfd);
  if (cfd_policy.refs == kRefsAfterList) atomic_store(&cfd->refs, weight);
  UnlockCalls(flags);
  GATE("listed");
  for (uint32_t cpu = 0; cpu < CpuCount(); ++cpu) {
    if (mask >> cpu & 1) SendFixed(cpu, kCallFunction);
  }
  GATE("sent");
  if (wait) cfd_lock_wait(cfd);
}

// Whether this CPU is to run the element's function.
static inline bool IsCalled(struct call_function_data* cfd) {
  const uint32_t bit = 1u << CpuNumber();
  switch (cfd_policy.walk) {
    case kClearAndRun:
      return (atomic_fetch_and(&cfd->cpumask, ~bit) & bit) != 0;
    case kClearThenLook:
      return (atomic_fetch_and(&cfd->cpumask, ~bit) & bit) != 0 && atomic_load(&cfd->refs) != 0;
    case kLookThenClear:
      return (atomic_load(&cfd->cpumask) & bit) != 0 && atomic_load(&cfd->refs) != 0;
  }
  return false;
}

static inline void WalkTo(struct call_function_data* cfd) {
  static const char* const kWalks[kMostOwners] = {"walk-e0", "walk-e1", "walk-e2", "walk-e3",
                                                  "walk-e4"};
  GATE(kWalks[cfd - cfd_data]);
  if (!IsCalled(cfd)) return;
  cfd->func(cfd->info);
  if (cfd_policy.walk == kLookThenClear) atomic_fetch_and(&cfd->cpumask, ~(1u << CpuNumber()));
  const int refs = atomic_fetch_sub(&cfd->refs, 1) - 1;
  if (refs < atomic_load(&lowest_refs)) atomic_store(&lowest_refs, refs);
  if (refs != 0) return;
  const uint64_t flags = LockCalls();
  list_del_rcu(&cfd->list);
  UnlockCalls(flags);
  atomic_store_explicit(&cfd->flags, 0, memory_order_release);
}

static __attribute__((noinline)) void generic_smp_call_function_interrupt(void) {
  GATE("walk");
  for (struct list_head* entry = call_function.next; entry != &call_function;) {
    WalkTo((struct call_function_data*)entry);
    // An element that is its own successor is walked to for ever; here it is spun on.
    SPIN_UNTIL(entry->next != entry, &entry->next, kWaitDiffers, (uint64_t)entry);
    entry = entry->next;
  }
}

INTERRUPT_HANDLER(OnCallFunction) {
  generic_smp_call_function_interrupt();
  atomic_fetch_add(&interrupts_done[CpuNumber()], 1);
  EndOfInterrupt();
  GATE("walked");
}

// For a set of CPUs that nobody changes.
static inline void CallMany(uint32_t mask, void (*func)(void*), void* info, bool wait) {
  const atomic_uint wanted = mask;
  smp_call_function_many(&wanted, func, info, wait);
}

static atomic_uint runs[kMostOwners];  // of the function below, by CPU

static inline void CountRun(void* info) {
  (void)info;
  atomic_fetch_add(&runs[CpuNumber()], 1);
}

static __attribute__((unused)) void KeepInterruptsOff(void* unused) {
  (void)unused;
  DisableInterrupts();
  GATE("irqs-off");
  EnableInterrupts();
  GATE("irqs-on");
}
