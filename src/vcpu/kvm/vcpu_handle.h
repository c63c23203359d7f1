#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <cerrno>
#include <cstdint>
#include <linux/kvm.h>
#include <memory>
// Not <csignal>, which has sigset_t by chance alone.
#include <signal.h>  // NOLINT(modernize-deprecated-headers)
#include <span>
#include <sys/ioctl.h>
#include <utility>

#include <muster/vcpu/kvm/fd.h>
#include <muster/vcpu/kvm/system.h>
#include <muster/vcpu/kvm/vm_handle.h>

namespace muster::vcpu {

// One KVM vCPU: its descriptor and its kvm_run page. Every function is for the owning thread alone:
// elsewhere an ioctl blocks until KVM_RUN returns. Errors name the ioctl and the vCPU.
class VcpuHandle {
 public:
  // `id` is the APIC id that KVM knows; below system.max_vcpu_ids(). KVM will refuse paravirtual
  // MSRs whose CPUID bit is clear (KVM_CAP_ENFORCE_PV_FEATURE_CPUID, where it is there).
  static absl::StatusOr<VcpuHandle> Create(const System& system, const VmHandle& vm, int id);
  // The same for who tries again where that or anything after it fails, since KVM makes each vCPU
  // once: `made` is its descriptor, of an earlier try or of this one, and is the caller's to close.
  static absl::StatusOr<VcpuHandle> Create(const System& system, const VmHandle& vm, int id,
                                           Fd& made);

  int id() const { return id_; }
  int fd() const { return fd_.get(); }

  // KVM emulates the local APIC: KVM_GET_LAPIC, which is EINVAL where user space does.
  bool HasKernelApic() const;

  // The page shared with the kernel. `immediate_exit` alone may be written by other threads.
  kvm_run& run() { return *run_; }
  const kvm_run& run() const { return *run_; }

  // KVM_RUN. Returns 0 where exit_reason is new, else errno; after EINTR exit_reason is stale.
  int RunOnce() { return ioctl(fd(), KVM_RUN, 0) < 0 ? errno : 0; }

  // The signals blocked during KVM_RUN, in place of the thread's own mask. KVM_SET_SIGNAL_MASK.
  absl::Status SetSignalMask(const sigset_t& blocked);

  // Before the first KVM_RUN; later EINVAL.
  absl::Status SetCpuid(std::span<const kvm_cpuid_entry2> entries);

  // KVM_INTERRUPT. KVM checks neither IF nor the shadow, and a second one replaces the first; only
  // when run().ready_for_interrupt_injection and run().if_flag are set.
  absl::Status Interrupt(uint8_t vector);
  absl::Status Nmi();

  absl::StatusOr<kvm_regs> GetRegs() const;
  absl::Status SetRegs(const kvm_regs& regs);
  absl::StatusOr<kvm_sregs> GetSregs() const;
  // A set bit in interrupt_bitmap queues that vector: zero it first.
  absl::Status SetSregs(const kvm_sregs& sregs);
  absl::StatusOr<kvm_vcpu_events> GetEvents() const;
  absl::Status SetEvents(const kvm_vcpu_events& events);
  absl::StatusOr<kvm_debugregs> GetDebugRegs() const;
  absl::Status SetDebugRegs(const kvm_debugregs& debugregs);
  absl::Status SetGuestDebug(const kvm_guest_debug& debug);

  absl::StatusOr<uint64_t> GetMsr(uint32_t index) const;
  absl::Status SetMsr(uint32_t index, uint64_t value);

  // Guest-linear to guest-physical by the vCPU's current tables; `valid` is 0 where unmapped.
  absl::StatusOr<kvm_translation> Translate(uint64_t linear) const;

  // Guest TSC minus host TSC. KVM_VCPU_TSC_OFFSET; Unimplemented where this KVM has none.
  absl::StatusOr<int64_t> GetTscOffset() const;
  absl::Status SetTscOffset(int64_t offset);
  // What the guest's WRMSR of IA32_TSC or IA32_TSC_ADJUST does. KVM takes a write that user space
  // makes for a migration: one of IA32_TSC_ADJUST moves no counter, and one of IA32_TSC may be made
  // to agree with another vCPU's.
  absl::Status MoveTsc(uint32_t msr, uint64_t value);
  // Never 0: Unavailable where KVM does not know.
  absl::StatusOr<uint32_t> GetTscKhz() const;

  // Tells a guest that uses KVM's clock that it was stopped. KVM_KVMCLOCK_CTRL.
  absl::Status NotePause();

 private:
  struct Unmap {
    size_t bytes;
    void operator()(kvm_run* run) const;
  };

  VcpuHandle(Fd fd, int id, kvm_run* run, size_t bytes)
      : fd_(std::move(fd)), id_(id), run_(run, Unmap{bytes}) {}

  absl::Status Ioctl(unsigned long request, const char* name, void* argument) const;
  template <typename T>
  absl::StatusOr<T> Get(unsigned long request, const char* name) const;
  template <typename T>
  absl::Status Set(unsigned long request, const char* name, const T& value);

  Fd fd_;
  int id_;
  std::unique_ptr<kvm_run, Unmap> run_;
};

}  // namespace muster::vcpu
