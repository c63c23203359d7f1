// A fix for rv-exit-reset that is half of one: a last counter, which the *next* initiator of
// smp_rendezvous_cpus(), sys/kern/subr_smp.c, waits for before it resets the others. Proposed, and
// never in FreeBSD.
//
//   CPU 0 (calls)             CPU 1                          CPU 2
//   sees [2] at 3, returns    sees it too                    has added to [2], not looked yet
//                             calls: locks, waits for        sees 3, leaves, adds to [3]
//                             [3] to be 3; resets
//
// So nobody spins on a counter of the wrong call. But the initiator that returns waits for nobody:
// what it lent the others is used after it has taken it back, as in rv-arg-life.
#include "scenarios/freebsd/calls.h"

void GuestMain(void) {
  StartAllCpus();
  UseRendezvous("variant=entry-wait");
  if (CommandLineHas("variant=arg-life")) {
    CallAndPoison();
  } else {
    CallTwice();
  }
}
