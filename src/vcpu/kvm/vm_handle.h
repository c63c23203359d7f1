#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <cstdint>
#include <span>
#include <utility>

#include <muster/vcpu/kvm/fd.h>
#include <muster/vcpu/kvm/system.h>

namespace muster::vcpu {

inline constexpr uint32_t kIa32Tsc = 0x10;
inline constexpr uint32_t kIa32ApicBase = 0x1b;
inline constexpr uint32_t kIa32TscAdjust = 0x3b;
inline constexpr uint32_t kIa32TscDeadline = 0x6e0;

// One KVM VM without in-kernel interrupt controllers. vCPU 0 is its bootstrap processor.
class VmHandle {
 public:
  // Makes the VM such that RDMSR and WRMSR of what KVM does not serve, of IA32_APIC_BASE and of
  // IA32_TSC_DEADLINE exit to user space, as does WRMSR of IA32_TSC and IA32_TSC_ADJUST, and VMCALL
  // is never patched.
  static absl::StatusOr<VmHandle> Create(const System& system);

  // The same of a VM that the caller has made and keeps; this has a duplicate of `fd`.
  // InvalidArgument where that is no VM, FailedPrecondition where KVM emulates interrupt
  // controllers in it.
  static absl::StatusOr<VmHandle> Adopt(const System& system, int fd);

  int fd() const { return fd_.get(); }

  // Numbers of memory slots are below this: KVM_CAP_NR_MEMSLOTS.
  uint32_t memory_slots() const;

  // KVM_SET_USER_MEMORY_REGION; an empty `host` removes `slot`. `host` is page-aligned in address
  // and size, and outlives the VM or the slot. MemorySlots adds the checks.
  absl::Status SetMemoryRegion(uint32_t slot, uint64_t gpa, std::span<uint8_t> host,
                               bool read_only) const;

  // KVM's paravirtual clock of this VM, in ns. KVM_GET_CLOCK, KVM_SET_CLOCK.
  absl::StatusOr<uint64_t> GetClock() const;
  absl::Status SetClock(uint64_t ns) const;

 private:
  explicit VmHandle(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace muster::vcpu
