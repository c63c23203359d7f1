// Synchronous calls from timer interrupts: dtrace4linux, driver/x_call.c, which began by using
// smp_call_function_single(). That must not be called with interrupts off, and this is why:
//
//   CPU 0 (timer interrupt)              CPU 1 (timer interrupt)
//   calls CPU 1, waits for it            calls CPU 0, waits for it
//
// With a slot for each source and target, and a CPU that serves its own slots while it waits, both
// are done.
#include "scenarios/dtrace/x_call.h"

enum { kTimer = 0x40 };

static atomic_uint calls, timers;

static void Count(void* argument) { atomic_fetch_add((atomic_uint*)argument, 1); }

INTERRUPT_HANDLER(OnTimer) {
  GATE("timer");
  dtrace_xcall(1 - CpuNumber(), true, Count, &calls);
  EndOfInterrupt();
  atomic_fetch_add(&timers, 1);
}

static void AwaitTimer(void* unused) {
  (void)unused;
  enum { kDivideBy1 = 0xB, kTicks = 100000 };
  WriteApic(kApicDivide, kDivideBy1);
  WriteApic(kApicLvtTimer, kTimer);
  WriteApic(kApicInitialCount, kTicks);
  SpinUntil(&timers, 2);
}

void GuestMain(void) {
  xcall_policy.deaf = CommandLineHas("variant=kernel-api");
  StartAllCpus();
  BeginXcalls();
  SetHandler(kTimer, OnTimer);
  RunOnAll(AwaitTimer, NULL);
  CHECK_EQUAL(atomic_load(&calls), 2);
}
