// FreeBSD's deadlock of 2011: smp_rendezvous_action(), sys/kern/subr_smp.c, leaves its exit barrier
// by a counter that the next call zeroes.
//
//   CPU 0 (calls)            CPU 1                       CPU 2
//                                                        adds to [2]
//   adds to [2], spins
//                            adds to [2], sees 3, leaves
//   sees 3, leaves,
//   unlocks, returns
//                            calls: locks, zeroes [2]
//                                                        looks at [2]: 0, spins for ever
//                            interrupts 0 and 2, and     with interrupts off, the new call's
//                            waits for [0] to be 3       interrupt pending behind its own
//
// NetApp's generation lets CPU 2 see that its call is over. FreeBSD's own fix is a fourth counter:
// the initiator keeps the lock until nobody touches the others any more.
#include "scenarios/freebsd/calls.h"

void GuestMain(void) {
  StartAllCpus();
  BeginRendezvous();
  CallTwice();
}
