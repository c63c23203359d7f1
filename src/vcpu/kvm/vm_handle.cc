#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <muster/vcpu/kvm/ioctl_error.h>
#include <muster/vcpu/kvm/memory_map.h>
#include <muster/vcpu/kvm/vm_handle.h>

namespace muster::vcpu {

namespace {

// KVM's own pages on processors without unrestricted guest mode: an identity-mapped page table,
// then three pages of TSS. Inside the hole of the memory map, where no slot can meet them.
constexpr uint64_t kIdentityMapAddress = kHoleEnd - 4 * kPageSize;
constexpr uint64_t kTssAddress = kHoleEnd - 3 * kPageSize;

absl::Status EnableCap(int vm, uint32_t capability, uint64_t argument, const char* name) {
  kvm_enable_cap cap{};
  cap.cap = capability;
  cap.args[0] = argument;
  if (ioctl(vm, KVM_ENABLE_CAP, &cap) < 0) return IoctlError(name, errno);
  return absl::OkStatus();
}

// Without it a write of IA32_APIC_BASE changes KVM's idea of the mode without an exit, one of
// IA32_TSC_DEADLINE is swallowed, and one that moves the TSC moves no deadline. x2APIC registers
// exit by MSR_EXIT_REASON_INVAL; filters do not apply to them.
absl::Status FilterMsrs(int vm) {
  constexpr uint32_t kRead = KVM_MSR_FILTER_READ, kWrite = KVM_MSR_FILTER_WRITE;
  uint8_t denied[8] = {};  // a bitmap is copied by whole longs
  kvm_msr_filter filter{};
  filter.flags = KVM_MSR_FILTER_DEFAULT_ALLOW;
  const struct {
    uint32_t index, accesses;
  } filtered[] = {{kIa32ApicBase, kRead | kWrite},
                  {kIa32TscDeadline, kRead | kWrite},
                  {kIa32Tsc, kWrite},
                  {kIa32TscAdjust, kWrite}};
  for (size_t i = 0; i < std::size(filtered); ++i) {
    filter.ranges[i].flags = filtered[i].accesses;
    filter.ranges[i].base = filtered[i].index;
    filter.ranges[i].nmsrs = 1;
    filter.ranges[i].bitmap = denied;
  }
  if (ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter) < 0) {
    return IoctlError("KVM_X86_SET_MSR_FILTER", errno);
  }
  return absl::OkStatus();
}

absl::Status SetUp(const System& system, int vm) {
  absl::Status status = EnableCap(
      vm, KVM_CAP_X86_USER_SPACE_MSR,
      KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER,
      "KVM_CAP_X86_USER_SPACE_MSR");
  if (!status.ok()) return status;

  // Before the first memory slot, those that KVM makes below for its own pages included: setting a
  // filter waits for readers of the slots, some 15 ms.
  status = FilterMsrs(vm);
  if (!status.ok()) return status;

  uint64_t identity_map = kIdentityMapAddress;
  if (ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0) {
    // This page would suit any VM that has none.
    if (errno == EINVAL) {
      return absl::FailedPreconditionError(
          "the VM has vCPUs already: give one without, for this library makes them");
    }
    return IoctlError("KVM_SET_IDENTITY_MAP_ADDR", errno);
  }
  // EEXIST: whoever made this VM has chosen a place already.
  if (ioctl(vm, KVM_SET_TSS_ADDR, kTssAddress) < 0 && errno != EEXIST) {
    return IoctlError("KVM_SET_TSS_ADDR", errno);
  }

  // KVM rewrites the "wrong" one of VMCALL and VMMCALL in guest memory, which on a KVM that
  // emulates instructions never makes progress. Since Linux 5.19.
  const int quirks = system.CheckExtension(KVM_CAP_DISABLE_QUIRKS2);
  if (quirks & KVM_X86_QUIRK_FIX_HYPERCALL_INSN) {
    return EnableCap(vm, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_FIX_HYPERCALL_INSN,
                     "KVM_CAP_DISABLE_QUIRKS2");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<VmHandle> VmHandle::Create(const System& system) {
  int vm;
  do {
    vm = ioctl(system.fd(), KVM_CREATE_VM, 0);  // EINTR where a signal is pending
  } while (vm < 0 && errno == EINTR);
  if (vm < 0) return IoctlError("KVM_CREATE_VM", errno);
  VmHandle handle{Fd(vm)};
  absl::Status status = SetUp(system, vm);
  if (!status.ok()) return status;
  return handle;
}

absl::StatusOr<VmHandle> VmHandle::Adopt(const System& system, int fd) {
  Fd vm(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!vm.valid()) {
    return IoctlError(fmt::format("duplicating the VM's descriptor {}", fd).c_str(), errno);
  }
  // A VM answers the first and, unlike the device, not the second.
  if (ioctl(vm.get(), KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) <= 0 ||
      ioctl(vm.get(), KVM_GET_API_VERSION, 0) >= 0) {
    return absl::InvalidArgumentError(fmt::format("descriptor {} is no VM of KVM's", fd));
  }
  kvm_irqchip chip{};
  if (ioctl(vm.get(), KVM_GET_IRQCHIP, &chip) == 0) {
    return absl::FailedPreconditionError(
        fmt::format("the VM of descriptor {} has interrupt controllers of KVM's: make it without "
                    "KVM_CREATE_IRQCHIP",
                    fd));
  }
  VmHandle handle{std::move(vm)};
  absl::Status status = SetUp(system, handle.fd());
  if (!status.ok()) return status;
  return handle;
}

uint32_t VmHandle::memory_slots() const {
  return static_cast<uint32_t>(std::max(ioctl(fd(), KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS), 0));
}

absl::Status VmHandle::SetMemoryRegion(uint32_t slot, uint64_t gpa, std::span<uint8_t> host,
                                       bool read_only) const {
  kvm_userspace_memory_region region{};
  region.slot = slot;
  region.flags = read_only ? KVM_MEM_READONLY : 0;
  region.guest_phys_addr = gpa;
  region.memory_size = host.size();
  region.userspace_addr = reinterpret_cast<uintptr_t>(host.data());
  if (ioctl(fd(), KVM_SET_USER_MEMORY_REGION, &region) < 0) {
    return IoctlError(fmt::format("KVM_SET_USER_MEMORY_REGION of slot {}", slot).c_str(), errno);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> VmHandle::GetClock() const {
  kvm_clock_data clock{};
  if (ioctl(fd(), KVM_GET_CLOCK, &clock) < 0) return IoctlError("KVM_GET_CLOCK", errno);
  return clock.clock;
}

absl::Status VmHandle::SetClock(uint64_t ns) const {
  kvm_clock_data clock{};
  clock.clock = ns;
  if (ioctl(fd(), KVM_SET_CLOCK, &clock) < 0) return IoctlError("KVM_SET_CLOCK", errno);
  return absl::OkStatus();
}

}  // namespace muster::vcpu
