// A slot that is served twice: dtrace4linux, driver/x_call.c. A CPU that looks at its slots with
// interrupts on is interrupted for the very call that it has just found.
//
//   CPU 1
//   sees the slot working
//     interrupt: sees the slot working, runs it, makes it idle
//   runs it again; makes idle what may be the next call by now
//
// To claim a slot has to be one atomic step.
#include "scenarios/dtrace/x_call.h"

static atomic_uint calls;

static void Count(void* argument) { atomic_fetch_add((atomic_uint*)argument, 1); }

static void Poll(void* unused) {
  (void)unused;
  while (atomic_load(&calls) == 0) xcall_poll();
  GATE("polled");
}

void GuestMain(void) {
  xcall_policy.plain_claim = CommandLineHas("variant=plain");
  StartAllCpus();
  BeginXcalls();
  Post(1, Poll, NULL);
  dtrace_xcall(1, false, Count, &calls);
  Join(1);
}
