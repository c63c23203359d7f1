// An element that is in use is queued again: smp_call_function_single_async() of kernel/smp.c.
// Without a look at its lock it is on the list twice, and its own successor. To wait for the lock,
// as was done before it returned -EBUSY (5a18ceca6350), is a deadlock where both sides have
// interrupts off.
//
//   plain                                wait
//   CPU 0             CPU 1 (irqs off)   CPU 0 (irqs off)      CPU 1 (irqs off)
//   queues                               queues for CPU 1      queues for CPU 0
//   queues again                         again: waits for      again: waits for
//                     walks for ever     CPU 1 to take it      CPU 0 to take it
#include "scenarios/linux/call_single.h"

static struct call_single_data csds[2];
static atomic_uint calls;
static bool waits, returns_busy;

static void Count(void* info) { atomic_fetch_add((atomic_uint*)info, 1); }

static int smp_call_function_single_async(uint32_t cpu, struct call_single_data* csd) {
  GATE("asked");
  if (returns_busy && (atomic_load(&csd->flags) & kCsdLock)) return -kEbusy;
  if (waits) {
    csd_lock(csd);
  } else {
    atomic_store(&csd->flags, kCsdLock);
  }
  csd->func = Count;
  csd->info = &calls;
  generic_exec_single(cpu, csd);
  return 0;
}

// Each CPU calls the other one, twice with one element, and with interrupts off.
static void CallTwice(void* unused) {
  (void)unused;
  const uint32_t self = CpuNumber();
  DisableInterrupts();
  GATE("irqs-off");
  smp_call_function_single_async(1 - self, &csds[self]);
  smp_call_function_single_async(1 - self, &csds[self]);
  GATE("asked-twice");
  EnableInterrupts();
  GATE("irqs-on");  // what has come meanwhile is taken here at the latest
}

void GuestMain(void) {
  waits = CommandLineHas("variant=wait");
  returns_busy = CommandLineHas("variant=busy");
  StartAllCpus();
  SetHandler(kCallFunctionSingle, OnCallFunctionSingle);
  Post(1, CallTwice, NULL);
  CallTwice(NULL);
  csd_lock_wait(&csds[0]);
  csd_lock_wait(&csds[1]);
  Join(1);
}
