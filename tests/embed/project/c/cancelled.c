/* A thread that is cancelled inside a run: the run goes on, returns when the VM is stopped, and the
 * thread ends after it. */
#include <pthread.h>

#include "small_vm.h"

static muster_vm* vm;
static int32_t returned = -1;

static void* Run(void* unused) {
  muster_exit exit;
  returned = muster_vcpu_run(vm, 0, NULL, &exit, NULL);
  CHECK(exit.kind == MUSTER_EXIT_STOPPED);
  pthread_testcancel();
  return unused;
}

int main(void) {
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
