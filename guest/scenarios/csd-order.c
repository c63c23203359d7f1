// An element filled in before its last use is over: csd_lock() waits for that, so function and
// argument come after it. In kernel/smp.c this was a matter of a missing barrier between the two;
// on x86, which keeps the order of stores, only source or compiler can turn it round, as here.
//
//   CPU 0                              CPU 1 (interrupts off)
//   locks the element, First, queues
//   again: Second
//   waits for the lock                 interrupts on: calls Second for the first call
#include "scenarios/linux/call_single.h"

static struct call_single_data csd;
static volatile uint32_t called[2];  // which function, in the order of calls
static atomic_uint calls;

static void First(void* info) { (void)info, called[atomic_fetch_add(&calls, 1) & 1] = 1; }
static void Second(void* info) { (void)info, called[atomic_fetch_add(&calls, 1) & 1] = 2; }

static void Call(void (*func)(void*)) {
  const bool early = CommandLineHas("variant=early");
  if (!early) csd_lock(&csd);
  csd.func = func;
  GATE("filled");
  if (early) csd_lock(&csd);
  generic_exec_single(1, &csd);
}

void GuestMain(void) {
  StartAllCpus();
  SetHandler(kCallFunctionSingle, OnCallFunctionSingle);
  Post(1, KeepInterruptsOff, NULL);
  Call(First);
  Call(Second);
  csd_lock_wait(&csd);
  Join(1);
}
