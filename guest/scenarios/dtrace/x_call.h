// Synchronous calls to other CPUs from where Linux's smp_call_function_single() must not be used,
// interrupt handlers and code with interrupts off: dtrace4linux, driver/x_call.c.
//
// There is a slot for each source and target, as in the driver's xcalls[][]. The source waits for
// its slot, fills it in, interrupts the target and waits until the slot is idle again (ack_wait());
// whoever waits serves its own slots meanwhile (xcall_slave2()). The driver fills in first and
// waits then, which is csd-order's fault; these do not show it.
#pragma once

#include "runtime/guest.h"

enum { kXcall = 0xE6, kXcallCpus = 4, kLevels = 2 };
enum XcallState { kXcallIdle, kXcallWorking, kXcallClaimed };

struct xcall {
  atomic_uint state;  // enum XcallState
  void (*volatile func)(void* argument);
  void* volatile argument;
};

struct XcallPolicy {
  bool deaf;           // does not serve its own slots while it waits
  bool plain_claim;    // tests a slot, runs it and makes it idle, in three steps
  bool nested_slots;   // an interrupt handler has slots of its own
  bool returns_early;  // when the interrupt has been sent
  bool sends_nmi;      // when the target has not answered for long
};

// `used`: the signatures read it, and clang would take it apart.
static struct XcallPolicy xcall_policy __attribute__((used));
static struct xcall xcalls[kXcallCpus][kXcallCpus][kLevels];  // by source, target, nesting

static __attribute__((noinline)) void xcall_serve(struct xcall* call) {
  if (xcall_policy.plain_claim) {
    if (atomic_load(&call->state) != kXcallWorking) return;
  } else {
    uint32_t expected = kXcallWorking;
    if (!atomic_compare_exchange_strong(&call->state, &expected, kXcallClaimed)) return;
  }
  GATE("claimed");
  call->func(call->argument);
  GATE("ran");
  atomic_store(&call->state, kXcallIdle);
}

static inline void xcall_poll(void) {
  const uint32_t self = CpuNumber();
  for (uint32_t source = 0; source < CpuCount(); ++source) {
    for (int level = 0; level < kLevels; ++level) xcall_serve(&xcalls[source][self][level]);
  }
}

static inline bool xcall_is_idle(struct xcall* call) {
  if (!xcall_policy.deaf) xcall_poll();
  return atomic_load(&call->state) == kXcallIdle;
}

static inline void xcall_wait(struct xcall* call) {
  SPIN_UNTIL(xcall_is_idle(call), &call->state, kWaitEqual, kXcallIdle);
}

// Has CPU `target` call `func`. `nested`: the caller is an interrupt handler.
static __attribute__((noinline)) void dtrace_xcall(uint32_t target, bool nested,
                                                   void (*func)(void*), void* argument) {
  const int level = nested && xcall_policy.nested_slots ? 1 : 0;
  struct xcall* const call = &xcalls[CpuNumber()][target][level];
  GATE("xcall");
  xcall_wait(call);
  call->func = func;
  call->argument = argument;
  GATE("filled");
  atomic_store(&call->state, kXcallWorking);
  GATE("posted");
  SendFixed(target, kXcall);
  GATE("sent");
  if (xcall_policy.sends_nmi) {
    enum { kPatience = 200 };
    for (int i = 0; i < kPatience && !xcall_is_idle(call); ++i) Pause();
    if (!xcall_is_idle(call)) SendNmi(target);
  }
  if (!xcall_policy.returns_early) xcall_wait(call);
}

INTERRUPT_HANDLER(OnXcall) {
  xcall_poll();
  EndOfInterrupt();
}

static inline void BeginXcalls(void) { SetHandler(kXcall, OnXcall); }
