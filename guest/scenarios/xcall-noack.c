// A synchronous call that is none: dtrace4linux, driver/x_call.c, returned when the interrupt was
// sent, and the target used an argument that was its caller's again.
//
//   CPU 0                              CPU 2
//   calls, returns; writes where       is interrupted
//   the argument was
//                                      runs the function: reads what was written
//
// The caller has to wait until the target says that it is done.
#include "scenarios/dtrace/x_call.h"

enum { kLive = 0x600d, kPoison = 0xdead };

static volatile uint32_t saw[kXcallCpus];
static atomic_uint calls;

static void Look(void* argument) {
  saw[CpuNumber()] = *(volatile uint32_t*)argument;
  atomic_fetch_add(&calls, 1);
}

void GuestMain(void) {
  xcall_policy.returns_early = CommandLineHas("variant=early");
  StartAllCpus();
  BeginXcalls();
  volatile uint32_t argument = kLive;
  dtrace_xcall(1, false, Look, (void*)&argument);
  dtrace_xcall(2, false, Look, (void*)&argument);
  argument = kPoison;
  GATE("poisoned");
  SpinUntil(&calls, 2);
}
