/* Looks at a vCPU that never end what they look at: in the log callback of one that failed while
 * the others stand in a pause, and without cease while the pause is to end. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "small_vm.h"

static muster_vm* vm;
static atomic_int logging, paused, looked, looking, stopping;

/* Of vCPU 0's own thread, which has failed and is still inside its run. */
static void Log(void* context, int32_t severity, const char* line) {
  (void)context;
  (void)line;
  if (vm == NULL || severity != MUSTER_LOG_WARNING) return;
  logging = 1;
  while (!paused) usleep(1000);
  muster_inspection inspection;
  muster_inspection_init(&inspection);
  DONE(muster_vcpu_inspect(vm, 0, &inspection, &error));
  CHECK(inspection.state == MUSTER_STATE_OFFLINE);
  looked = 1;
}

static void* Fail(void* unused) {
  (void)unused;
  muster_exit exit, before;
  muster_error error;
  memset(&before, 0xa5, sizeof(before));
  exit = before;
  CHECK(muster_vcpu_run(vm, 0, NULL, &exit, &error) != MUSTER_OK);
  CHECK(muster_vcpu_run(vm, 0, NULL, &exit, &error) == MUSTER_FAILED_PRECONDITION);
  CHECK(strstr(error.message, "vCPU 0 is offline") != NULL);
  CHECK(memcmp(&exit, &before, sizeof(exit)) == 0);
  return NULL;
}

static void InTheLogOfOneThatFailed(void) {
  muster_config config = SmallConfig();
  config.log = Log;
  uint8_t* const ram = SmallRam("", 1);
  muster_vm* const made = SmallVm(&config, ram, MUSTER_START_REAL);
  muster_start start;
  muster_start_init(&start);
  start.mode = MUSTER_START_LONG64;
  start.cr3 =
      0x7ffffffffffff000; /* KVM refuses more bits than an address has: its first run fails */
  DONE(muster_vm_set_start(made, &start, &error));
  vm = made;
  pthread_t thread;
  pthread_create(&thread, NULL, Fail, NULL);
  while (!logging) usleep(1000);
  DONE(muster_vm_pause(vm, 10000000000, &error));
  paused = 1;
  while (!looked) usleep(1000);
  DONE(muster_vm_resume(vm, &error));
  pthread_join(thread, NULL);
  DONE(muster_vm_destroy(vm, &error));
}

static void* Look(void* unused) {
  (void)unused;
  muster_inspection inspection;
  muster_inspection_init(&inspection);
  while (!stopping) {
    muster_vcpu_inspect(vm, 0, &inspection, NULL);
    ++looking;
  }
  return NULL;
}

static void* Spin(void* unused) {
  (void)unused;
  muster_exit exit;
  muster_vcpu_run(vm, 0, NULL, &exit, NULL);
  return NULL;
}

static void WithoutCease(void) {
  const uint8_t code[] = {0xeb, 0xfe}; /* jmp here */
  muster_config config = SmallConfig();
  vm = SmallVm(&config, SmallRam(code, sizeof(code)), MUSTER_START_PROTECTED32);
  pthread_t spins, looks[4];
  pthread_create(&spins, NULL, Spin, NULL);
  for (int round = 0; round < 5; ++round) {
    DONE(muster_vm_pause(vm, 10000000000, &error));
    stopping = 0;
    looking = 0;
    for (int i = 0; i < 4; ++i) pthread_create(&looks[i], NULL, Look, NULL);
    while (looking < 100) usleep(1000);
    DONE(muster_vm_resume(vm, &error));
    stopping = 1;
    for (int i = 0; i < 4; ++i) pthread_join(looks[i], NULL);
  }
  DONE(muster_vm_stop(vm, &error));
  pthread_join(spins, NULL);
  DONE(muster_vm_destroy(vm, &error));
}

int main(void) {
  InTheLogOfOneThatFailed();
  WithoutCease();
  return 0;
}
