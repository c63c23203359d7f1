// A walker misses an element: smp_call_function_many() of kernel/smp.c, where elements are added at
// the list's tail. Mended in 2009 by adding at its head (seen as "Place entry at the _HEAD_").
//
//   CPU 0              CPU 1           CPU 2                  CPU 3
//   E0 to 1, 2, 3      (irqs off)      runs E0                runs E0
//                                                             E3 to 1, 2, 4; waits
//                                      walks: E0, not for it
//                      runs E0, which
//                      is free now
//   E0 to 1, 3: at
//   the tail, after E3
//                                      goes on from E0: the
//                                      list ends; E3 is missed
//
// CPU 2 has acknowledged its interrupt, and no other will come: CPU 3 waits for ever. (CPU 4 keeps
// E3 on the list.) At the head a walker comes past elements again, which its bit makes harmless.
#include "scenarios/linux/call_function.h"

static void CallFrom3(void* unused) {
  (void)unused;
  SpinUntil(&interrupts_done[3], 1);
  CallMany(0x16, CountRun, NULL, true);
}

void GuestMain(void) {
  cfd_policy.adds_at_tail = CommandLineHas("variant=tail");
  StartAllCpus();
  SetHandler(kCallFunction, OnCallFunction);
  Post(1, KeepInterruptsOff, NULL);
  Post(4, KeepInterruptsOff, NULL);
  Post(3, CallFrom3, NULL);
  CallMany(0xe, CountRun, NULL, false);
  CallMany(0xa, CountRun, NULL, true);
  Join(3);
  CHECK_EQUAL(atomic_load(&runs[1]), 3);
  CHECK_EQUAL(atomic_load(&runs[2]), 2);
  CHECK_EQUAL(atomic_load(&runs[3]), 2);
  CHECK_EQUAL(atomic_load(&runs[4]), 1);
}
