// An initiator that is not among those it calls: smp_rendezvous_cpus(), sys/kern/subr_smp.c, waits
// for others only inside smp_rendezvous_action(), where such an initiator never comes.
//
//   CPU 0 (calls 1 and 2)       CPU 1                        CPU 2
//   interrupts both, returns
//                               adds to [0], 1 of 2, spins
//   calls again: zeroes [0],
//   interrupts both, returns
//                                                            adds to [0], 1 of 2, spins
//                               both spin for ever with interrupts off, each with the second call's
//                               interrupt pending behind the first
//
// A generation in the exit barrier does not help: nobody comes that far. With the fourth counter
// the initiator waits in any case.
#include "scenarios/freebsd/calls.h"

void GuestMain(void) {
  StartAllCpus();
  BeginRendezvous();
  for (int i = 0; i < 2; ++i) smp_rendezvous_cpus(6, 2, NULL, CountAction, NULL, &actions);
  SpinUntil(&smp_rv_served[1], 2);
  SpinUntil(&smp_rv_served[2], 2);
  CHECK_EQUAL(atomic_load(&actions), 4);
}
