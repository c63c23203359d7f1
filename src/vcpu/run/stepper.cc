#include <muster/vcpu/run/stepper.h>

namespace muster::vcpu {
namespace {

constexpr uint8_t kHltOpcode = 0xf4;

absl::Status SetStepping(VcpuHandle& handle, bool on) {
  kvm_guest_debug debug{};
  if (on) debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
  return handle.SetGuestDebug(debug);
}

}  // namespace

absl::Status Stepper::Arm(VcpuHandle& handle, const MemorySlots& memory) {
  const absl::StatusOr<bool> hlt = NextIsHlt(handle, memory);
  if (!hlt.ok()) return hlt.status();
  if (*hlt) return Disarm(handle);
  if (armed_) return absl::OkStatus();
  armed_ = true;
  return SetStepping(handle, true);
}

absl::Status Stepper::Disarm(VcpuHandle& handle) {
  if (!armed_) return absl::OkStatus();
  armed_ = false;
  return SetStepping(handle, false);
}

absl::StatusOr<bool> Stepper::NextIsHlt(VcpuHandle& handle, const MemorySlots& memory) {
  // KVM_RUN brings the registers along where it was asked to, for nothing.
  constexpr uint64_t kWanted = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
  kvm_run& run = handle.run();
  uint64_t linear;
  if ((filled_ & kWanted) == kWanted) {
    linear = run.s.regs.sregs.cs.base + run.s.regs.regs.rip;
  } else {
    const absl::StatusOr<kvm_regs> regs = handle.GetRegs();
    if (!regs.ok()) return regs.status();
    const absl::StatusOr<kvm_sregs> sregs = handle.GetSregs();
    if (!sregs.ok()) return sregs.status();
    linear = sregs->cs.base + regs->rip;
    run.kvm_valid_regs |= kWanted;
  }
  const absl::StatusOr<kvm_translation> at = handle.Translate(linear);
  if (!at.ok()) return at.status();
  if (!at->valid) return false;
  const std::span<uint8_t> byte = memory.Find(at->physical_address, 1);
  return !byte.empty() && byte[0] == kHltOpcode;
}

}  // namespace muster::vcpu
