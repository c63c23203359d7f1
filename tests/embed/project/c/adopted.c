/* A VM and memory slots of a host's own beside slots of the library's: each keeps to its numbers,
 * and where they meet the host is told. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "small_vm.h"

static int kvm;
static muster_error error;

/* What the guest finds at `gpa` and leaves there. */
enum { kOwn = 0x20000, kAdded = 0x40000, kAddedToo = 0x60000 };

static void OwnSlot(int vm_fd, uint32_t slot, uint64_t gpa, void* host) {
  struct kvm_userspace_memory_region region;
  memset(&region, 0, sizeof(region));
  region.slot = slot;
  region.guest_phys_addr = gpa;
  region.memory_size = kRam;
  region.userspace_addr = (uintptr_t)host;
  CHECK(ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region) == 0);
}

static muster_vm* Adopt(int vm_fd) {
  muster_config config = SmallConfig();
  config.kvm_fd = kvm;
  config.vm_fd = vm_fd;
  muster_vm* vm = NULL;
  DONE(muster_vm_create(&config, &vm, &error));
  return vm;
}

static void SideBySide(void) {
  /* mov al, [own]; inc byte [added]; inc byte [added too]; out 0x10, al */
  const uint8_t code[] = {0xa0, 0, 0, 2, 0, 0xfe, 5, 0, 0, 4, 0, 0xfe, 5, 0, 0, 6, 0, 0xe6, 0x10};
  uint8_t* const ram = SmallRam(code, sizeof(code));
  uint8_t* const own = SmallRam("", 0);
  uint8_t* const added = SmallRam("", 0);
  uint8_t* const added_too = SmallRam("", 0);
  own[0] = 0x77;
  const int vm_fd = ioctl(kvm, KVM_CREATE_VM, 0);
  CHECK(vm_fd >= 0);
  OwnSlot(vm_fd, 0, 0, ram);
  OwnSlot(vm_fd, 1, kOwn, own);
  muster_vm* const vm = Adopt(vm_fd);
  DONE(muster_vm_note_memory(vm, 0, ram, kRam, &error));
  DONE(muster_vm_note_memory(vm, kOwn, own, kRam, &error));
  DONE(muster_vm_add_memory(vm, kAdded, added, kRam, 0, &error));
  DONE(muster_vm_add_memory(vm, kAddedToo, added_too, kRam, 0, &error));
  muster_start start;
  muster_start_init(&start);
  start.rip = kCode;
  DONE(muster_vm_set_start(vm, &start, &error));
  muster_exit exit;
  DONE(muster_vcpu_run(vm, 0, NULL, &exit, &error));
  CHECK(exit.kind == MUSTER_EXIT_PORT && *exit.as.port.data == 0x77);
  CHECK(added[0] == 1 && added_too[0] == 1);
  DONE(muster_vm_destroy(vm, &error));
  close(vm_fd);
}

static void WhereTheyMeet(void) {
  uint8_t* const own = SmallRam("", 0);
  uint8_t* const added = SmallRam("", 0);
  const int vm_fd = ioctl(kvm, KVM_CREATE_VM, 0);
  CHECK(vm_fd >= 0);
  const uint32_t slots = (uint32_t)ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
  OwnSlot(vm_fd, slots - 2, 0, own);
  muster_vm* const vm = Adopt(vm_fd);
  DONE(muster_vm_note_memory(vm, 0, own, kRam, &error));
  char slot[32];
  snprintf(slot, sizeof(slot), "of slot %u", slots - 2);
  CHECK(muster_vm_add_memory(vm, kAdded, added, kRam, 0, &error) == MUSTER_INVALID_ARGUMENT);
  CHECK(strstr(error.message, slot) != NULL && strstr(error.message, "from 0") != NULL);
  DONE(muster_vm_destroy(vm, &error));
  close(vm_fd);
}

int main(void) {
  kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (kvm < 0) {
    fprintf(stderr, "skipped: no /dev/kvm\n");
    return 77;
  }
  SideBySide();
  WhereTheyMeet();
  return 0;
}
