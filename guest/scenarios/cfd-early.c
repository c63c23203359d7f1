// A walker runs an element too early: kernel/smp.c, smp_call_function_many() fills in the mask of
// its element, then the count; generic_smp_call_function_interrupt(), still on it from the use
// before, finds its CPU in the mask. So since 54fdade1c333, which took the element's lock away;
// mended by 6dc19899958e: a look at the bit and one at the count, before the bit is cleared.
//
//   CPU 0 (owns E0)                     CPU 2 (walks, on E0 from its last use)
//   E0 to CPU 2: writes the mask
//                                       is in the mask: clears its bit, runs, counts: -1
//   writes the count: 1, queues,        walks again: its bit is not set
//   waits for ever
//
// To clear the bit and then find the count at 0 loses the call likewise.
#include "scenarios/linux/call_function.h"

// Queues a call of its own for CPU 2, which that takes in the same walk as CPU 0's: so the
// interrupt of one of them is one too many, and CPU 2 walks a second time.
static void CallThenIrqsOff(void* unused) {
  (void)unused;
  CallMany(4, CountRun, NULL, false);
  KeepInterruptsOff(NULL);
}

void GuestMain(void) {
  cfd_policy.refs = kRefsBeforeList;
  cfd_policy.walk = CommandLineHas("variant=count-first")      ? kClearAndRun
                    : CommandLineHas("variant=test-and-clear") ? kClearThenLook
                                                               : kLookThenClear;
  StartAllCpus();
  SetHandler(kCallFunction, OnCallFunction);
  Post(1, CallThenIrqsOff, NULL);
  CallMany(6, CountRun, NULL, false);
  CallMany(4, CountRun, NULL, true);
  Join(1);
  CHECK_EQUAL(atomic_load(&runs[1]), 1);
  CHECK_EQUAL(atomic_load(&runs[2]), 3);
}
