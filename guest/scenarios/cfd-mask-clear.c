// A call for nobody: the mask that kernel/smp.c, smp_call_function_many() is given may change while
// the call is made ready; others leave it when they are done with what it stands for. Mended by
// 723aae25d5cd: a mask that has become empty is no call.
//
//   CPU 0                                      CPU 1
//   the mask has CPUs 1 and 2: goes on
//                                              clears both
//   copies it: empty, count 0
//   lists the element, interrupts nobody, waits for somebody to count it down
#include "scenarios/linux/call_function.h"

static atomic_uint users = 6;

static void LeaveBoth(void* unused) {
  (void)unused;
  GATE("leaving");
  atomic_store(&users, 0);
  GATE("left");
}

void GuestMain(void) {
  cfd_policy.keeps_empty = CommandLineHas("variant=plain");
  StartAllCpus();
  SetHandler(kCallFunction, OnCallFunction);
  Post(1, LeaveBoth, NULL);
  smp_call_function_many(&users, CountRun, NULL, true);
  Join(1);
  CallMany(6, CountRun, NULL, true);
  CHECK_EQUAL(atomic_load(&runs[1]) + atomic_load(&runs[2]), 2);
}
