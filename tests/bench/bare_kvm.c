#define _GNU_SOURCE
#include "bare_kvm.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { kEoi = 0x80b, kIcr = 0x830 };
enum { kDeliveryModeMask = 0x700, kFixed = 0, kStartup = 0x600 };

struct BareCpu {
  int fd;
  struct kvm_run* run;
  size_t run_bytes;
  pid_t thread;
  atomic_int posted;  // a vector, or 0
  atomic_int in_guest;
  sem_t startup;
  uint8_t startup_vector;
  bool started;  // its own thread's
};

struct BareVm {
  int fd, cpu_count, kick_signal;
  pid_t process;
  atomic_int stop;
  struct BareCpu cpus[2];
};

static int Ioctl(int fd, unsigned long request, void* argument, const char* name) {
  const int result = ioctl(fd, request, argument);
  if (result < 0) err(EXIT_FAILURE, "bare loop: %s", name);
  return result;
}
#define IOCTL(fd, request, argument) Ioctl(fd, request, argument, #request)

static void CreateCpu(struct BareVm* vm, int kvm, int index) {
  struct BareCpu* cpu = &vm->cpus[index];
  cpu->fd = IOCTL(vm->fd, KVM_CREATE_VCPU, (void*)(long)index);
  cpu->run_bytes = (size_t)IOCTL(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
  cpu->run = mmap(NULL, cpu->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
  if (cpu->run == MAP_FAILED) err(EXIT_FAILURE, "bare loop: mmap of kvm_run");
  sem_init(&cpu->startup, 0, 0);

  enum { kMaxEntries = 256 };
  struct kvm_cpuid2* cpuid =
      calloc(1, sizeof(*cpuid) + kMaxEntries * sizeof(struct kvm_cpuid_entry2));
  cpuid->nent = kMaxEntries;
  IOCTL(kvm, KVM_GET_SUPPORTED_CPUID, cpuid);
  IOCTL(cpu->fd, KVM_SET_CPUID2, cpuid);
  free(cpuid);
}

static void SetStart(struct BareCpu* cpu, uint16_t selector, uint16_t ip) {
  struct kvm_sregs sregs;
  IOCTL(cpu->fd, KVM_GET_SREGS, &sregs);
  sregs.cs.selector = selector;
  sregs.cs.base = (uint64_t)selector << 4;
  IOCTL(cpu->fd, KVM_SET_SREGS, &sregs);
  struct kvm_regs regs = {.rip = ip, .rsp = 0x7000, .rflags = 2};
  IOCTL(cpu->fd, KVM_SET_REGS, &regs);
}

struct BareVm* BareCreate(const char* device, int cpus, uint8_t* ram, uint64_t ram_bytes,
                          uint16_t start, int kick_signal) {
  const int kvm = open(device, O_RDWR | O_CLOEXEC);
  if (kvm < 0) err(EXIT_FAILURE, "bare loop: %s", device);
  struct BareVm* vm = calloc(1, sizeof(*vm));
  vm->cpu_count = cpus;
  vm->kick_signal = kick_signal;
  vm->process = getpid();
  vm->fd = IOCTL(kvm, KVM_CREATE_VM, 0);
  struct kvm_enable_cap msrs = {.cap = KVM_CAP_X86_USER_SPACE_MSR,
                                .args = {KVM_MSR_EXIT_REASON_INVAL}};
  IOCTL(vm->fd, KVM_ENABLE_CAP, &msrs);
  IOCTL(vm->fd, KVM_SET_TSS_ADDR, (void*)0xfffbd000L);
  struct kvm_userspace_memory_region region = {.memory_size = ram_bytes,
                                               .userspace_addr = (uintptr_t)ram};
  IOCTL(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
  for (int i = 0; i < cpus; ++i) CreateCpu(vm, kvm, i);
  close(kvm);
  SetStart(&vm->cpus[0], (uint16_t)(start >> 4), 0);
  return vm;
}

void BareDestroy(struct BareVm* vm) {
  for (int i = 0; i < vm->cpu_count; ++i) {
    munmap(vm->cpus[i].run, vm->cpus[i].run_bytes);
    close(vm->cpus[i].fd);
    sem_destroy(&vm->cpus[i].startup);
  }
  close(vm->fd);
  free(vm);
}

void BareRunPortExits(struct BareVm* vm, int exits) {
  struct BareCpu* cpu = &vm->cpus[0];
  while (exits > 0) {
    if (ioctl(cpu->fd, KVM_RUN, 0) < 0) err(EXIT_FAILURE, "bare loop: KVM_RUN");
    if (cpu->run->exit_reason != KVM_EXIT_IO) {
      errx(EXIT_FAILURE, "bare loop: exit reason %u", cpu->run->exit_reason);
    }
    --exits;
  }
}

static void Kick(struct BareVm* vm, struct BareCpu* cpu) {
  cpu->run->immediate_exit = 1;
  syscall(SYS_tgkill, vm->process, cpu->thread, vm->kick_signal);
}

static void SendIpi(struct BareVm* vm, uint64_t icr) {
  struct BareCpu* target = &vm->cpus[icr >> 32 & 1];
  switch (icr & kDeliveryModeMask) {
    case kFixed:
      atomic_store(&target->posted, (int)(icr & 0xff));
      if (atomic_load(&target->in_guest)) Kick(vm, target);
      break;
    case kStartup:
      target->startup_vector = (uint8_t)icr;
      sem_post(&target->startup);
      break;
  }
}

// Queues what was posted, or asks to be told when it can be.
static void PrepareEntry(struct BareCpu* cpu) {
  struct kvm_run* run = cpu->run;
  run->request_interrupt_window = 0;
  if (atomic_load(&cpu->posted) == 0) return;
  if (!run->ready_for_interrupt_injection || !run->if_flag) {
    run->request_interrupt_window = 1;
    return;
  }
  run->s.regs.events.interrupt.injected = 1;
  run->s.regs.events.interrupt.nr = (uint8_t)atomic_exchange(&cpu->posted, 0);
  run->s.regs.events.interrupt.soft = 0;
  run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
}

void BareRunToPort(struct BareVm* vm, int index) {
  struct BareCpu* cpu = &vm->cpus[index];
  struct kvm_run* run = cpu->run;
  cpu->thread = gettid();
  run->kvm_valid_regs = KVM_SYNC_X86_EVENTS;
  if (index != 0 && !cpu->started) {
    // The SIPI may have come before this thread did.
    sem_wait(&cpu->startup);
    if (atomic_load(&vm->stop)) return;
    cpu->started = true;
    SetStart(cpu, (uint16_t)(cpu->startup_vector << 8), 0);
  }
  while (!atomic_load(&vm->stop)) {
    PrepareEntry(cpu);
    atomic_store(&cpu->in_guest, 1);
    // Posted since it was looked at, and its sender has not seen in_guest.
    if ((atomic_load(&cpu->posted) != 0 && !run->request_interrupt_window &&
         run->kvm_dirty_regs == 0) ||
        atomic_load(&vm->stop)) {
      atomic_store(&cpu->in_guest, 0);
      continue;
    }
    const int result = ioctl(cpu->fd, KVM_RUN, 0);
    const int error = errno;
    atomic_store(&cpu->in_guest, 0);
    __atomic_exchange_n(&run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    if (result < 0) {
      if (error != EINTR && error != EAGAIN) err(EXIT_FAILURE, "bare loop: KVM_RUN");
      continue;
    }
    switch (run->exit_reason) {
      case KVM_EXIT_IO:
        if (index == 0) return;
        break;
      case KVM_EXIT_X86_WRMSR:
        if (run->msr.index == kIcr) SendIpi(vm, run->msr.data);
        run->msr.error = 0;
        break;
      case KVM_EXIT_IRQ_WINDOW_OPEN:
        break;
      default:
        errx(EXIT_FAILURE, "bare loop: exit reason %u", run->exit_reason);
    }
  }
}

void BareStop(struct BareVm* vm) {
  atomic_store(&vm->stop, 1);
  for (int i = 0; i < vm->cpu_count; ++i) {
    sem_post(&vm->cpus[i].startup);
    if (atomic_load(&vm->cpus[i].in_guest)) Kick(vm, &vm->cpus[i]);
  }
}
