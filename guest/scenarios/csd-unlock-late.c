// An element whose function uses it again: flush_smp_call_function_queue() of kernel/smp.c unlocked
// it after the call, and so freed what the function had just queued. Mended by 8053871d0f7f, which
// unlocks before.
//
//   CPU 1 (calls the function)              CPU 0 (interrupts off)
//   the function queues the element anew,
//   for CPU 0
//   back from it: unlocks the element
//   its next user finds it free, and
//   queues it a second time
//                                           walks for ever: it is its own successor
#include "scenarios/linux/call_single.h"

static struct call_single_data csd;
static atomic_uint calls;
static volatile uint32_t busy;

static void Queue(uint32_t cpu, void (*func)(void*)) {
  atomic_store(&csd.flags, kCsdLock);
  csd.func = func;
  generic_exec_single(cpu, &csd);
}

static void Last(void* info) { (void)info, atomic_fetch_add(&calls, 1); }

// As the kernel's own users do, block devices for one. It is their element while this runs.
static void QueuesAnew(void* info) {
  Last(info);
  Queue(0, Last);
}

static void NextUser(void* unused) {
  (void)unused;
  SpinUntil(&calls, 1);
  GATE("next-user");
  if (atomic_load(&csd.flags) & kCsdLock) {
    busy = 1;
  } else {
    Queue(0, Last);
  }
  GATE("next-done");
}

void GuestMain(void) {
  csd_unlock_before = CommandLineHas("variant=before");
  StartAllCpus();
  SetHandler(kCallFunctionSingle, OnCallFunctionSingle);
  Post(1, NextUser, NULL);
  DisableInterrupts();
  Queue(1, QueuesAnew);
  GATE("irqs-off");
  EnableInterrupts();
  GATE("irqs-on");
  Join(1);
  CHECK_EQUAL(atomic_load(&calls), 2);
  CHECK_EQUAL(busy, 1);
}
