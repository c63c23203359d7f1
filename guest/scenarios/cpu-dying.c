// A CPU that goes away with calls queued: kernel/smp.c sends an interrupt only to a CPU whose queue
// was empty. One that is taken offline in between, and comes back by INIT and SIPI, has lost the
// interrupt and kept the queue: nobody ever sends another. Mended by 8d056c48e486: a flush on the
// way down, today in smpcfd_dying_cpu().
//
//   CPU 0                         CPU 2                            CPU 1
//                                 interrupts off, to go away
//   queues a call, interrupts
//                                 parks itself
//   INIT, SIPI                    starts anew, its IRR empty
//                                                                  queues a call: the queue was
//                                                                  not empty, no interrupt;
//                                                                  waits for ever
#include "scenarios/linux/call_single.h"

static struct call_single_data csds[2];
static atomic_uint calls;
static atomic_uint parked;

static void Count(void* info) { atomic_fetch_add((atomic_uint*)info, 1); }

static void Call(struct call_single_data* csd) {
  csd_lock(csd);
  csd->func = Count;
  csd->info = &calls;
  generic_exec_single(2, csd);
}

static void GoAway(void* unused) {
  (void)unused;
  DisableInterrupts();
  GATE("irqs-off");
  if (CommandLineHas("variant=flush")) flush_smp_call_function_queue();
  atomic_store(&parked, 1);
  HaltForever();
}

static void CallAndWait(void* unused) {
  (void)unused;
  Call(&csds[1]);
  csd_lock_wait(&csds[1]);
}

void GuestMain(void) {
  StartAllCpus();
  SetHandler(kCallFunctionSingle, OnCallFunctionSingle);
  Post(2, GoAway, NULL);
  GATE("call");
  Call(&csds[0]);
  SpinUntil(&parked, 1);
  ExpectRestart(2);
  SendInit(2);
  SendStartup(2);
  AwaitStarts(2, 2);
  RunOn(1, CallAndWait, NULL);
  CHECK_EQUAL(atomic_load(&calls), 2);
}
