// A guest that looks as one does to which the emulator gave KVM's registers (guest/fault_watch.h):
// halts with its RIP in kvm_amd's code. 64-bit, at that linear address.
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { kPml4 = 0x1000, kPdpt = 0x2000, kPd = 0x3000, kPt = 0x4000, kCode = 0x5000, kRam = 0x8000 };

static int Do(int result, const char* what) {
  if (result < 0) err(1, "%s", what);
  return result;
}

static uint64_t KvmAmd(void) {
  FILE* const modules = fopen("/proc/modules", "re");
  char line[256];
  while (modules != NULL && fgets(line, sizeof(line), modules) != NULL) {
    if (strncmp(line, "kvm_amd ", 8) == 0) return strtoull(strstr(line, "0x"), NULL, 16);
  }
  errx(1, "no kvm_amd");
}

int main(void) {
  const uint64_t rip = KvmAmd() + 0x1000;
  const int kvm = Do(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
  const int vm = Do(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
  uint8_t* const ram = mmap(NULL, kRam, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const struct kvm_userspace_memory_region region = {.memory_size = kRam,
                                                     .userspace_addr = (uintptr_t)ram};
  Do(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
  static const int kTables[] = {kPml4, kPdpt, kPd, kPt, kCode};
  for (int level = 0; level < 4; ++level) {
    ((uint64_t*)(ram + kTables[level]))[rip >> (39 - 9 * level) & 511] =
        (uint64_t)kTables[level + 1] | 3;
  }
  ram[kCode + (rip & 0xfff)] = 0xf4;  // HLT

  const int vcpu = Do(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
  struct kvm_run* const run = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
                                   PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
  struct kvm_sregs sregs;
  Do(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
  sregs.cs.l = 1;
  sregs.cs.db = 0;
  sregs.cr3 = kPml4;
  sregs.cr4 = 1 << 5;                 // PAE
  sregs.cr0 = 1u << 31 | 1 << 4 | 1;  // PG, ET, PE
  sregs.efer = 1 << 10 | 1 << 8;      // LMA, LME
  Do(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
  const struct kvm_regs regs = {.rip = rip, .rflags = 2};
  Do(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
  Do(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
  printf("exit reason %u\n", run->exit_reason);
  fflush(stdout);
  for (;;) pause();  // as a vCPU that spins in KVM's code: it is to be killed
}
