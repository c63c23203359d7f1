// Two senders with one element: its lock in kernel/smp.c is a test and a store, and where callers
// do not keep others away themselves both find it free. A fix is to make the lock one atomic step.
//
//   CPU 0                    CPU 1                    CPU 2 (interrupts off)
//   sees it free
//                            sees it free
//   locks, queues
//                            locks, queues: the list begins with it, it is its own successor
//                                                     walks for ever
#include "scenarios/linux/call_single.h"

static struct call_single_data csd;
static atomic_uint calls;
static bool atomic_lock;

static void Count(void* info) { atomic_fetch_add((atomic_uint*)info, 1); }

static void CallCpu2(void* unused) {
  (void)unused;
  const bool busy = atomic_lock ? (atomic_exchange(&csd.flags, kCsdLock) & kCsdLock) != 0
                                : (atomic_load(&csd.flags) & kCsdLock) != 0;
  GATE("tested");
  if (!busy) {
    atomic_store(&csd.flags, kCsdLock);
    csd.func = Count;
    csd.info = &calls;
    generic_exec_single(2, &csd);
  }
  GATE("asked");
}

void GuestMain(void) {
  atomic_lock = CommandLineHas("variant=atomic");
  StartAllCpus();
  SetHandler(kCallFunctionSingle, OnCallFunctionSingle);
  Post(2, KeepInterruptsOff, NULL);
  Post(1, CallCpu2, NULL);
  CallCpu2(NULL);
  Join(1);
  csd_lock_wait(&csd);
  Join(2);
}
