// A call to a CPU that is not there: generic_exec_single() of kernel/smp.c, which
// smp_call_function_single_async() calls with the element locked, returned -ENXIO and left it so.
// Mended by 5224b9613b91, which unlocks it.
//
//   CPU 0
//   locks the element
//   CPU 3 is not online: returns
//   calls CPU 1 with the same element: waits for a lock that nobody will ever release
#include "scenarios/linux/call_single.h"

static struct call_single_data csd;
static atomic_uint calls;
static volatile int first_status;

static void Count(void* info) { atomic_fetch_add((atomic_uint*)info, 1); }

static int smp_call_function_single_async(uint32_t cpu) {
  csd_lock(&csd);
  GATE("csd-locked");
  if (cpu >= CpuCount()) {
    if (CommandLineHas("variant=fixed")) csd_unlock(&csd);
    return -kEnxio;
  }
  csd.func = Count;
  csd.info = &calls;
  generic_exec_single(cpu, &csd);
  return 0;
}

void GuestMain(void) {
  StartAllCpus();
  SetHandler(kCallFunctionSingle, OnCallFunctionSingle);
  first_status = smp_call_function_single_async(3);
  CHECK_EQUAL((uint32_t)smp_call_function_single_async(1), 0);
  csd_lock_wait(&csd);
  CHECK_EQUAL(atomic_load(&calls), 1);
}
