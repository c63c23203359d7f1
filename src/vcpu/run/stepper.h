#pragma once

#include <absl/status/status.h>
#include <cstdint>

#include <muster/vcpu/kvm/memory_slots.h>
#include <muster/vcpu/kvm/vcpu_handle.h>

namespace muster::vcpu {

// Finds interrupt windows that a KVM with batched windows would run past: single-steps the guest
// while an interrupt waits, for a bounded number of instructions; then lets it run, and is given
// another budget when the run loop's poll comes round.
class Stepper {
 public:
  // Instructions stepped for one waiting interrupt before the guest may run freely again: the
  // price of a narrow window found against that of a long stretch with interrupts off.
  static constexpr int kBudget = 200;

  void Refill() { budget_ = kBudget; }
  bool exhausted() const { return budget_ == 0; }
  bool armed() const { return armed_; }

  // Arms or disarms single-stepping for the next entry. It is armed once for many steps: doing so
  // again would let TF leak into a frame that the guest pushes. Not before HLT, whose exit
  // stepping would lose.
  absl::Status Arm(VcpuHandle& handle, const MemorySlots& memory);
  absl::Status Disarm(VcpuHandle& handle);
  // KVM_RUN has returned: what the page holds of the registers is new.
  void AfterRun(const kvm_run& run) { filled_ = run.kvm_valid_regs; }
  // One step has been taken.
  void Stepped() {
    if (budget_ > 0) --budget_;
  }
  // The vCPU was reset, and its debug state with it.
  void Forget() { armed_ = false; }

 private:
  absl::StatusOr<bool> NextIsHlt(VcpuHandle& handle, const MemorySlots& memory);

  int budget_ = kBudget;
  uint64_t filled_ = 0;  // KVM_SYNC_X86_*
  bool armed_ = false;
};

}  // namespace muster::vcpu
