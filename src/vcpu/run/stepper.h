#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <cstdint>
#include <utility>

#include <muster/vcpu/kvm/memory_slots.h>
#include <muster/vcpu/kvm/vcpu_handle.h>
#include <muster/vcpu/run/next_instruction.h>

namespace muster::vcpu {

// Finds interrupt windows that a KVM with batched windows would run past: single-steps the guest
// while an interrupt waits, for a bounded number of instructions; then lets it run, and is given
// another budget when the run loop's poll comes round.
//
// The guest's own #DBs stay its own. KVM gives none to a guest that is single-stepped, and forgets
// a TF that the guest has set: so what debugs itself, by TF or by breakpoints, is not stepped, nor
// is an instruction by which it would begin to.
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
  // stepping would lose, nor where the guest debugs itself.
  absl::Status Arm(VcpuHandle& handle, const MemorySlots& memory);
  // Inline: for every entry.
  absl::Status Disarm(VcpuHandle& handle) { return armed_ ? DisarmNow(handle) : absl::OkStatus(); }
  // KVM_RUN has returned: what the page holds of the registers is new.
  void AfterRun(const kvm_run& run) { filled_ = run.kvm_valid_regs; }
  // After KVM_EXIT_DEBUG: a step, as a rule. But where the processor makes the steps, the handler
  // of an exception runs unstepped, and what comes may be a #DB of its own making. True: the guest
  // is owed it, DR6 says what it says, and the caller queues it.
  absl::StatusOr<bool> Stepped(VcpuHandle& handle, const MemorySlots& memory);
  // The vCPU was reset, and its debug state with it.
  void Forget() { armed_ = false; }

 private:
  using Registers = std::pair<kvm_regs, kvm_sregs>;

  absl::StatusOr<Registers> GetRegisters(VcpuHandle& handle);
  absl::StatusOr<bool> MayStep(VcpuHandle& handle, const MemorySlots& memory);
  absl::Status DisarmNow(VcpuHandle& handle);
  // Takes TF out of the flags that have been pushed in a step, if they have.
  absl::Status MendPushedFlags(VcpuHandle& handle, const MemorySlots& memory);

  int budget_ = kBudget;
  uint64_t filled_ = 0;  // KVM_SYNC_X86_*
  bool armed_ = false;
  NextInstruction next_;  // what is stepped over
};

}  // namespace muster::vcpu
