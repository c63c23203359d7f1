// An element is taken off the list before it is on it: kernel/smp.c, smp_call_function_many() wrote
// the count first and added the element then. A walker that was still on it from its last use
// completes it in between. Mended by e6cd1e07a185, which writes the count when the element is
// listed.
//
//   CPU 0 (owns E0)                     CPU 2 (walks, on E0 from its last use)
//   writes mask and count
//                                       runs it, is the last: takes it off the list, where it is
//                                       not, and unlocks it
//   adds it: complete, unlocked, listed
//   calls again: adds it once more,     walks for ever
//   it is its own successor
#include "scenarios/linux/call_function.h"

// See cfd-early.
static void CallThenIrqsOff(void* unused) {
  (void)unused;
  CallMany(4, CountRun, NULL, false);
  KeepInterruptsOff(NULL);
}

static void Nothing(void* unused) { (void)unused; }

void GuestMain(void) {
  cfd_policy.refs = CommandLineHas("variant=early-count") ? kRefsBeforeList : kRefsAfterList;
  StartAllCpus();
  SetHandler(kCallFunction, OnCallFunction);
  Post(1, CallThenIrqsOff, NULL);
  CallMany(6, CountRun, NULL, false);
  CallMany(4, CountRun, NULL, true);
  CallMany(4, CountRun, NULL, true);
  RunOn(2, Nothing, NULL);
  Join(1);
  CHECK_EQUAL(atomic_load(&runs[1]), 1);
  CHECK_EQUAL(atomic_load(&runs[2]), 4);
}
