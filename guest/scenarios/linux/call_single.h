// Linux's calls to one other CPU: kernel/smp.c, generic_exec_single(), csd_lock(), csd_unlock() and
// flush_smp_call_function_queue(), of 2009 to 2026.
//
// An element (call_single_data) belongs to its user. It is locked while it is in use, and queued on
// the target's list; only who finds that list empty sends an interrupt. The target takes the whole
// list and calls each function.
#pragma once

#include "runtime/guest.h"

enum {
  kCallFunctionSingle = 0xE4,
  kCsdLock = 1,
  kEnxio = 6,
  kEbusy = 16,
  kMostTargets = 4,
};

struct call_single_data {
  struct call_single_data* volatile next;
  void (*func)(void* info);
  void* info;
  atomic_uint flags;
};

struct call_single_queue {
  _Atomic(struct call_single_data*) first;
};

static struct call_single_queue call_single_queue[kMostTargets];

// Whether the element is free again before its function is called, as for asynchronous calls since
// 8053871d0f7f, or after.
static bool csd_unlock_before;

static inline void csd_lock_wait(struct call_single_data* csd) {
  SPIN_UNTIL((atomic_load(&csd->flags) & kCsdLock) == 0, &csd->flags, kWaitBitsClear, kCsdLock);
}

static inline void csd_lock(struct call_single_data* csd) {
  csd_lock_wait(csd);
  atomic_store(&csd->flags, kCsdLock);
}

static inline void csd_unlock(struct call_single_data* csd) {
  atomic_store_explicit(&csd->flags, 0, memory_order_release);
}

// True where the list was empty. Like the kernel's, it does not look whether `csd` is there
// already.
static inline bool llist_add(struct call_single_data* csd, struct call_single_queue* queue) {
  struct call_single_data* first = atomic_load(&queue->first);
  do {
    csd->next = first;
  } while (!atomic_compare_exchange_weak(&queue->first, &first, csd));
  return first == NULL;
}

// Queues a locked element.
static __attribute__((noinline)) void generic_exec_single(uint32_t cpu,
                                                          struct call_single_data* csd) {
  if (llist_add(csd, &call_single_queue[cpu])) SendFixed(cpu, kCallFunctionSingle);
  GATE("queued");
}

// The order of arrival; an element that is there twice stays its own successor.
static inline struct call_single_data* llist_reverse_order(struct call_single_data* head) {
  struct call_single_data* reversed = NULL;
  while (head != NULL) {
    struct call_single_data* const csd = head;
    head = csd->next;
    csd->next = reversed;
    reversed = csd;
  }
  return reversed;
}

static __attribute__((noinline)) void flush_smp_call_function_queue(void) {
  struct call_single_queue* queue = &call_single_queue[CpuNumber()];
  struct call_single_data* csd = llist_reverse_order(atomic_exchange(&queue->first, NULL));
  while (csd != NULL) {
    struct call_single_data* const next = csd->next;
    if (csd_unlock_before) csd_unlock(csd);
    csd->func(csd->info);
    if (!csd_unlock_before) csd_unlock(csd);
    GATE("called");
    // The walk never gets past an element that is its own successor. Here it stays with the first
    // round, so that others see what it spins on.
    if (next == csd) SPIN_UNTIL(csd->next != csd, &csd->next, kWaitDiffers, (uint64_t)csd);
    csd = next;
  }
}

INTERRUPT_HANDLER(OnCallFunctionSingle) {
  flush_smp_call_function_queue();
  EndOfInterrupt();
  GATE("interrupt-done");
}

// Work for a CPU that has interrupts off for as long as a script wants.
static __attribute__((unused)) void KeepInterruptsOff(void* unused) {
  (void)unused;
  DisableInterrupts();
  GATE("irqs-off");
  EnableInterrupts();
  GATE("irqs-on");
}
