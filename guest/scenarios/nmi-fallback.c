// A target that has interrupts off for good, and waits for the caller: dtrace4linux,
// driver/x_call.c, ack_wait() sends an NMI where an interrupt has not been answered for long (in
// later versions commented out).
//
//   CPU 0                              CPU 1 (interrupts off)
//   calls CPU 1, waits                 waits for what CPU 0 does after its call
#include "scenarios/dtrace/x_call.h"

static atomic_uint calls, released;

static void Count(void* argument) { atomic_fetch_add((atomic_uint*)argument, 1); }

INTERRUPT_HANDLER(OnNmi) { xcall_poll(); }

static void Deaf(void* unused) {
  (void)unused;
  DisableInterrupts();
  GATE("irqs-off");
  SpinUntil(&released, 1);
  EnableInterrupts();
}

void GuestMain(void) {
  xcall_policy.sends_nmi = CommandLineHas("variant=nmi");
  StartAllCpus();
  BeginXcalls();
  SetHandler(kNmiVector, OnNmi);
  Post(1, Deaf, NULL);
  dtrace_xcall(1, false, Count, &calls);
  atomic_store(&released, 1);
  Join(1);
  CHECK_EQUAL(atomic_load(&calls), 1);
}
