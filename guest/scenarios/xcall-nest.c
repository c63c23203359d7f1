// An interrupt handler's call within a thread's, to the same target and by the same slot:
// dtrace4linux, driver/x_call.c.
//
//   CPU 0
//   fills in the slot for CPU 1
//     timer interrupt: finds the slot idle, fills it in, calls, is done
//   posts the slot: CPU 1 runs the timer's function a second time, and never the thread's
//
// Handlers need slots of their own.
#include "scenarios/dtrace/x_call.h"

enum { kTick = 0x40 };

static atomic_uint thread_calls, timer_calls;

static void Count(void* argument) { atomic_fetch_add((atomic_uint*)argument, 1); }

INTERRUPT_HANDLER(OnTick) {
  dtrace_xcall(1, true, Count, &timer_calls);
  EndOfInterrupt();
  GATE("tick-done");
}

// The clock, so that it comes when it is wanted.
static void Tick(void* unused) {
  (void)unused;
  GATE("tick");
  SendFixed(0, kTick);
  GATE("ticked");
}

void GuestMain(void) {
  xcall_policy.nested_slots = CommandLineHas("variant=nested-slots");
  StartAllCpus();
  BeginXcalls();
  SetHandler(kTick, OnTick);
  Post(1, Tick, NULL);
  dtrace_xcall(1, false, Count, &thread_calls);
  Join(1);
}
