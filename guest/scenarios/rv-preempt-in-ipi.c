// A thread switch inside an interrupt handler: smp_rendezvous_action() of sys/kern/subr_smp.c calls
// functions that take spin locks, and the last spinlock_exit() is a critical_exit(), which switches
// to another thread where a preemption is owed. (The "second issue", found with rmlocks.)
//
//   CPU 2
//   critical_exit(): the nesting count is 0, a preemption is owed, and not looked at yet
//     interrupt for a rendezvous: the action takes a spin lock and releases it
//       critical_exit(): the count is 0 again, a preemption is owed: switches
//         the other thread runs, with interrupts on, and never yields
//
// The vector stays in service for as long as that thread runs, and the clock's, of a lower class,
// pending behind it: so nothing ever takes the CPU from it, and the rendezvous waits for ever.
// A critical section around the handler ends in a critical_exit() too. Bare ++ and -- of the count
// leave the preemption to the critical_exit() that was interrupted, after the EOI.
#include "scenarios/freebsd/calls.h"

enum { kClock = 0x40 };

static enum { kPlain, kCriticalExit, kBare } around;
static uint32_t td_critnest;  // of the thread on CPU 2
static bool td_owepreempt;
static atomic_uint ticks;
static atomic_uint action_lock;

INTERRUPT_HANDLER(OnClock) {
  atomic_fetch_add(&ticks, 1);
  EndOfInterrupt();
}

// Runs until the clock takes the CPU from it.
static __attribute__((noinline)) void OtherThread(void) {
  EnableInterrupts();
  SendFixed(CpuNumber(), kClock);
  GATE("other-thread");
  SPIN_UNTIL(atomic_load(&ticks) > 0, &ticks, kWaitAtLeast, 1);
}

static void critical_enter(void) { ++*(volatile uint32_t*)&td_critnest; }

static __attribute__((noinline)) void critical_exit(void) {
  --*(volatile uint32_t*)&td_critnest;
  if (*(volatile uint32_t*)&td_critnest != 0) return;
  GATE("count-zero");
  if (!*(volatile bool*)&td_owepreempt) return;
  td_owepreempt = false;
  OtherThread();
}

static void LockedAction(void* argument) {
  if (CpuNumber() == 2) {
    critical_enter();
    const uint64_t flags = mtx_lock_spin(&action_lock);
    mtx_unlock_spin(&action_lock, flags);
    critical_exit();
  }
  CountAction(argument);
}

INTERRUPT_HANDLER(OnPreemptibleRendezvous) {
  const bool guarded = CpuNumber() == 2 && around != kPlain;
  if (guarded) critical_enter();
  ServeRendezvous();
  if (guarded && around == kCriticalExit) critical_exit();
  if (guarded && around == kBare) --*(volatile uint32_t*)&td_critnest;
  EndOfInterrupt();
}

// A thread on CPU 2, which something has asked to give way while it was in a critical section.
static void Preempted(void* unused) {
  (void)unused;
  critical_enter();
  td_owepreempt = true;
  critical_exit();
}

void GuestMain(void) {
  around = CommandLineHas("variant=critical-exit") ? kCriticalExit
           : CommandLineHas("variant=bare")        ? kBare
                                                   : kPlain;
  StartAllCpus();
  UseRendezvous("variant=waiters3");
  SetHandler(kIpiRendezvous, OnPreemptibleRendezvous);
  SetHandler(kClock, OnClock);
  Post(2, Preempted, NULL);
  smp_rendezvous_cpus(7, 3, NULL, LockedAction, NULL, &actions);
  smp_rendezvous_cpus(7, 3, NULL, LockedAction, NULL, &actions);
  Join(2);
  CHECK_EQUAL(atomic_load(&actions), 6);
}
