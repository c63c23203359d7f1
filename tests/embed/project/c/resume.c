/* A pause that is to be ended in a line to log about a wait, on the thread that waits: it lasts,
 * and another thread ends it. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "small_vm.h"

static muster_vm* vm;
static atomic_int refusals;
static muster_error refused;

static void Log(void* context, int32_t severity, const char* line) {
  (void)context;
  (void)severity;
  if (strstr(line, "hold") == NULL || refusals > 0) return;
  const int32_t code = muster_vm_resume(vm, &refused);
  CHECK(code == MUSTER_FAILED_PRECONDITION);
  ++refusals;
}

static void* Hold(void* unused) {
  DONE(muster_vcpu_hold(vm, 1, &error)); /* it waits for SIPI, and no thread runs it */
  return unused;
}

static void* Run(void* unused) {
  muster_exit exit;
  DONE(muster_vcpu_run(vm, 0, NULL, &exit, &error));
  return unused;
}

int main(void) {
  const uint8_t halts[] = {0xfa, 0xf4};
  muster_config config = SmallConfig();
  config.cpus = 2;
  config.log = Log;
  vm = SmallVm(&config, SmallRam(halts, sizeof(halts)), MUSTER_START_PROTECTED32);
  pthread_t runs, holds;
  CHECK(pthread_create(&runs, NULL, Run, NULL) == 0);
  DONE(muster_vm_pause(vm, MUSTER_NEVER, &error));
  CHECK(pthread_create(&holds, NULL, Hold, NULL) == 0);
  while (refusals == 0) sched_yield(); /* a wait is told of when it has lasted a second */
  CHECK(strstr(refused.message, "inside its observer: the pause lasts") != NULL);
  muster_error error;
  CHECK(muster_vm_pause(vm, 0, &error) == MUSTER_FAILED_PRECONDITION);
  CHECK(strstr(error.message, "paused already") != NULL);
  DONE(muster_vm_resume(vm, &error));
  CHECK(pthread_join(holds, NULL) == 0);
  DONE(muster_vm_stop(vm, &error));
  CHECK(pthread_join(runs, NULL) == 0);
  DONE(muster_vm_destroy(vm, &error));
  return 0;
}
