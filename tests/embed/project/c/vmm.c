/* vmm IMAGE CPUS: a VMM in C, through <muster.h>. Runs a Multiboot ELF32 image, one thread a vCPU
 * and one for the timers; ends with the guest's status. */
#include <elf.h>
#include <muster.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { kRam = 32 << 20, kMaxCpus = 64 };

struct Vmm {
  muster_vm* vm;
  int32_t cpus;
  uint8_t* ram;
  pthread_mutex_t mutex;
  pthread_cond_t armed;
  uint64_t deadlines[kMaxCpus];
  int ended, status;
  char fw_cfg[2][5];
  size_t item, next;
};

struct Worker {
  struct Vmm* vmm;
  int32_t cpu;
};

static uint64_t NowNs(void* context) {
  (void)context;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void Arm(void* context, int32_t cpu, uint64_t deadline_ns) {
  struct Vmm* vmm = context;
  pthread_mutex_lock(&vmm->mutex);
  vmm->deadlines[cpu] = deadline_ns;
  pthread_cond_signal(&vmm->armed);
  pthread_mutex_unlock(&vmm->mutex);
}

static void* TellExpiries(void* context) {
  struct Vmm* vmm = context;
  pthread_mutex_lock(&vmm->mutex);
  while (!vmm->ended) {
    uint64_t next = NowNs(NULL) + 1000000000;
    for (int32_t cpu = 0; cpu < vmm->cpus; ++cpu) {
      if (vmm->deadlines[cpu] <= NowNs(NULL)) {
        vmm->deadlines[cpu] = MUSTER_NEVER;
        muster_vm_timer_expired(vmm->vm, cpu, NULL);
      }
      if (vmm->deadlines[cpu] < next) next = vmm->deadlines[cpu];
    }
    const struct timespec until = {(time_t)(next / 1000000000), (long)(next % 1000000000)};
    pthread_cond_timedwait(&vmm->armed, &vmm->mutex, &until);
  }
  pthread_mutex_unlock(&vmm->mutex);
  return NULL;
}

static void End(struct Vmm* vmm, int status) {
  vmm->status = status;
  muster_vm_stop(vmm->vm, NULL);
}

static int32_t Port(void* context, muster_vm* vm, int32_t cpu, const muster_port* exit) {
  struct Vmm* vmm = context;
  (void)vm;
  (void)cpu;
  pthread_mutex_lock(&vmm->mutex);
  if (!exit->is_write) memset(exit->data, 0xff, exit->size * exit->count);
  if (exit->port == 0x3f8 && exit->is_write) fwrite(exit->data, 1, exit->count, stdout);
  if (exit->port == 0x3fd && !exit->is_write) *exit->data = 0x60;
  if (exit->port == 0x510 && exit->is_write) {
    vmm->item = *exit->data == 5;
    vmm->next = 0;
  }
  if (exit->port == 0x511 && !exit->is_write) {
    *exit->data = vmm->next < 4 ? (uint8_t)vmm->fw_cfg[vmm->item][vmm->next++] : 0;
  }
  pthread_mutex_unlock(&vmm->mutex);
  if (exit->port == 0x604 && exit->is_write) End(vmm, 0);
  if (exit->port == 0xf4 && exit->is_write) End(vmm, *exit->data << 1 | 1);
  return MUSTER_GO_ON;
}

static int32_t Mmio(void* context, muster_vm* vm, int32_t cpu, const muster_mmio* exit) {
  (void)context;
  (void)vm;
  (void)cpu;
  if (!exit->is_write) memset(exit->data, 0xff, exit->size);
  return MUSTER_GO_ON;
}

static int32_t Msr(void* context, muster_vm* vm, int32_t cpu, const muster_msr* exit) {
  (void)context;
  (void)vm;
  (void)cpu;
  (void)exit;
  return MUSTER_GO_ON; /* #GP(0) */
}

static void* RunCpu(void* context) {
  struct Worker* worker = context;
  muster_devices devices;
  muster_devices_init(&devices);
  devices.context = worker->vmm;
  devices.port = Port;
  devices.mmio = Mmio;
  devices.msr = Msr;
  muster_exit exit;
  muster_error error;
  if (muster_vcpu_run(worker->vmm->vm, worker->cpu, &devices, &exit, &error) != MUSTER_OK) {
    fprintf(stderr, "%s\n", error.message);
    End(worker->vmm, 8);
  } else if (exit.kind != MUSTER_EXIT_STOPPED) {
    fprintf(stderr, "vCPU %d: exit %u at %#lx\n", exit.cpu, exit.kind,
            exit.kind == MUSTER_EXIT_FAULT ? (unsigned long)exit.as.fault.rip : 0);
    End(worker->vmm, 8);
  }
  return NULL;
}

static uint32_t Load(const char* path, uint8_t* ram) {
  static uint8_t image[8 << 20];
  FILE* file = fopen(path, "re");
  if (file == NULL) exit(2);
  const size_t size = fread(image, 1, sizeof(image), file);
  fclose(file);
  const Elf32_Ehdr* elf = (const void*)image;
  for (int i = 0; i < elf->e_phnum; ++i) {
    const Elf32_Phdr* part = (const void*)(image + elf->e_phoff + i * elf->e_phentsize);
    if (part->p_type != PT_LOAD) continue;
    if (part->p_offset + part->p_filesz > size || part->p_paddr + part->p_memsz > kRam) exit(2);
    memcpy(ram + part->p_paddr, image + part->p_offset, part->p_filesz);
  }
  const uint32_t information[] = {1, 640, kRam / 1024 - 1024};
  memcpy(ram + 0x9000, information, sizeof(information));
  return elf->e_entry;
}

static void Must(int32_t code, const muster_error* error) {
  if (code == MUSTER_OK) return;
  fprintf(stderr, "%s\n", error->message);
  exit(code == MUSTER_NOT_FOUND || code == MUSTER_PERMISSION_DENIED ? 77 : 6);
}

int main(int argc, char** argv) {
  static struct Vmm vmm;
  if (argc != 3) return 2;
  vmm.cpus = atoi(argv[2]);
  if (vmm.cpus < 1 || vmm.cpus > kMaxCpus) return 2;
  memcpy(vmm.fw_cfg[0], "QEMU", 4);
  vmm.fw_cfg[1][0] = (char)vmm.cpus;
  for (int32_t cpu = 0; cpu < kMaxCpus; ++cpu) vmm.deadlines[cpu] = MUSTER_NEVER;
  pthread_mutex_init(&vmm.mutex, NULL);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&vmm.armed, &monotonic);
  vmm.ram = mmap(NULL, kRam, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  muster_error error;
  muster_config config;
  muster_config_init(&config);
  config.cpus = vmm.cpus;
  config.clock.context = &vmm;
  config.clock.now_ns = NowNs;
  config.clock.arm = Arm;
  Must(muster_vm_create(&config, &vmm.vm, &error), &error);
  Must(muster_vm_add_memory(vmm.vm, 0, vmm.ram, kRam, 0, &error), &error);
  muster_start start;
  muster_start_init(&start);
  start.rip = Load(argv[1], vmm.ram);
  start.rax = 0x2badb002;
  start.rbx = 0x9000;
  Must(muster_vm_set_start(vmm.vm, &start, &error), &error);

  pthread_t timers, threads[kMaxCpus];
  struct Worker workers[kMaxCpus];
  pthread_create(&timers, NULL, TellExpiries, &vmm);
  for (int32_t cpu = 0; cpu < vmm.cpus; ++cpu) {
    workers[cpu] = (struct Worker){&vmm, cpu};
    pthread_create(&threads[cpu], NULL, RunCpu, &workers[cpu]);
  }
  for (int32_t cpu = 0; cpu < vmm.cpus; ++cpu) pthread_join(threads[cpu], NULL);
  pthread_mutex_lock(&vmm.mutex);
  vmm.ended = 1;
  pthread_cond_signal(&vmm.armed);
  pthread_mutex_unlock(&vmm.mutex);
  pthread_join(timers, NULL);
  Must(muster_vm_destroy(vmm.vm, &error), &error);
  munmap(vmm.ram, kRam);
  return vmm.status;
}
