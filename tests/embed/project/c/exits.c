/* exits_c [each]: what an exit costs through the C interface. For each number on stdin runs so many
 * OUTs and says on stdout how long one took, in us: to a callback, or, with "each", by a call of
 * muster_vcpu_run for each. */
#include <muster.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static uint64_t NowNs(void* context) {
  (void)context;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void Arm(void* context, int32_t cpu, uint64_t deadline_ns) {
  (void)context;
  (void)cpu;
  (void)deadline_ns;
}

static int32_t Port(void* context, muster_vm* vm, int32_t cpu, const muster_port* exit) {
  (void)vm;
  (void)cpu;
  (void)exit;
  return --*(int*)context == 0 ? MUSTER_RETURN : MUSTER_GO_ON;
}

static void Must(int32_t code, const muster_error* error) {
  if (code == MUSTER_OK) return;
  fprintf(stderr, "%s\n", error->message);
  exit(6);
}

int main(int argc, char** argv) {
  (void)argv;
  const int each = argc > 1;
  sigset_t kick;
  sigemptyset(&kick);
  sigaddset(&kick, SIGUSR1);
  sigprocmask(SIG_BLOCK, &kick, NULL);
  uint8_t* ram = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const uint8_t code[] = {0xe6, 0x10, 0xeb, 0xfc}; /* out 0x10; again */
  memcpy(ram + 0x1000, code, sizeof(code));
  muster_error error;
  muster_config config;
  muster_config_init(&config);
  config.kick_stays_blocked = 1;
  config.x2apic = 1;
  config.clock.now_ns = NowNs;
  config.clock.arm = Arm;
  muster_vm* vm;
  Must(muster_vm_create(&config, &vm, &error), &error);
  Must(muster_vm_add_memory(vm, 0, ram, 65536, 0, &error), &error);
  muster_start start;
  muster_start_init(&start);
  start.mode = MUSTER_START_REAL;
  start.rip = 0x1000;
  Must(muster_vm_set_start(vm, &start, &error), &error);
  int exits, left;
  muster_devices devices;
  muster_devices_init(&devices);
  devices.context = &left;
  devices.port = Port;
  while (scanf("%d", &exits) == 1 && exits > 0) {
    muster_exit exit;
    left = exits;
    const uint64_t begin = NowNs(NULL);
    if (each) {
      for (; left > 0; --left) Must(muster_vcpu_run(vm, 0, NULL, &exit, &error), &error);
    } else {
      Must(muster_vcpu_run(vm, 0, &devices, &exit, &error), &error);
    }
    const uint64_t end = NowNs(NULL);
    printf("%.6f\n", (double)(end - begin) / 1000 / exits);
    fflush(stdout);
  }
  return 0;
}
