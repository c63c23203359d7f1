/* A thread that is cancelled inside a run: the run goes on, returns when the VM is stopped, and the
 * thread ends after it. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "small_vm.h"

static muster_vm* vm;
static int32_t returned; /* by its last run */

static void* Run(void* unused) {
  muster_exit exit;
  returned = -1;
  returned = muster_vcpu_run(vm, 0, NULL, &exit, NULL);
  CHECK(exit.kind == MUSTER_EXIT_STOPPED);
  pthread_testcancel();
  return unused;
}

/* All that a run calls or does but KVM_RUN, with a cancellation that waits since before it. */

static atomic_int looks, lines;

static uint64_t LookAtTime(void* context) {
  pthread_testcancel();
  ++looks;
  return NoTime(context);
}

static void Log(void* context, int32_t severity, const char* line) {
  (void)context;
  (void)severity;
  (void)line;
  pthread_testcancel();
  ++lines;
}

static void* RunCancelled(void* unused) {
  CHECK(pthread_cancel(pthread_self()) == 0);
  return Run(unused);
}

static void RunWithCancellationPending(void) {
  const uint8_t code[] = {
      0xb9, 0x0f, 0x08, 0, 0, 0xb8, 0xff, 0x01, 0, 0, 0x31, 0xd2, 0x0f, 0x30, /* SVR */
      0xb9, 0x3f, 0x08, 0, 0, 0xb8, 0x40, 0,    0, 0, 0x0f, 0x30,             /* an IPI to itself */
      0xb9, 0x38, 0x08, 0, 0, 0xb8, 0x01, 0,    0, 0, 0x0f, 0x30,             /* the timer */
      0xeb, 0xfe,                                                             /* IF is 0 */
  };
  muster_config config = SmallConfig();
  config.x2apic = 1;
  config.clock.now_ns = LookAtTime;
  config.log = Log;
  vm = SmallVm(&config, SmallRam(code, sizeof(code)), MUSTER_START_PROTECTED32);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, RunCancelled, NULL) == 0);
  /* The log has what this KVM does, which that interrupt has made it look for. */
  while (looks == 0 || lines == 0) sched_yield();
  DONE(muster_vm_pause(vm, MUSTER_NEVER, &error));
  DONE(muster_vm_resume(vm, &error));
  DONE(muster_vm_stop(vm, &error));
  void* result;
  CHECK(pthread_join(thread, &result) == 0);
  CHECK(result == PTHREAD_CANCELED && returned == MUSTER_OK);
  DONE(muster_vm_destroy(vm, &error));
}

int main(void) {
  RunWithCancellationPending();
  const uint8_t spins[] = {0xeb, 0xfe}, halts[] = {0xfa, 0xf4};
  for (int sleeps = 0; sleeps < 2; ++sleeps) {
    const muster_config config = SmallConfig();
    vm = SmallVm(&config, SmallRam(sleeps ? halts : spins, 2), MUSTER_START_PROTECTED32);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, Run, NULL) == 0);
    muster_inspection seen;
    seen.size = sizeof(seen);
    /* Until it is inside: then a look that does not find it asleep is refused. */
    while (sleeps ? muster_vcpu_inspect(vm, 0, &seen, NULL) != MUSTER_OK ||
                        seen.state != MUSTER_STATE_HALTED
                  : muster_vcpu_inspect(vm, 0, &seen, NULL) == MUSTER_OK) {
      sched_yield();
    }
    CHECK(pthread_cancel(thread) == 0);
    DONE(muster_vm_stop(vm, &error));
    void* result;
    CHECK(pthread_join(thread, &result) == 0);
    CHECK(result == PTHREAD_CANCELED && returned == MUSTER_OK);
    DONE(muster_vm_destroy(vm, &error));
  }
  return 0;
}
