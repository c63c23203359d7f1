// The argument's life: an initiator that returns when its own part is done, as
// smp_rendezvous_cpus() of sys/kern/subr_smp.c did until 2011, takes back what others still use.
//
//   CPU 0 (calls)                         CPU 2
//   sees the exit counter at 3, leaves    sees it at 3, leaves
//   returns; its frame is its own again
//   writes there                          teardown(argument): reads what was written
//
// A generation in the exit barrier does not help: CPU 2 has left it. With the fourth counter the
// initiator returns when all have made their last access.
#include "scenarios/freebsd/calls.h"

void GuestMain(void) {
  StartAllCpus();
  BeginRendezvous();
  CallAndPoison();
}
