// Who sleeps, what would wake it, and that nothing will.

#include <muster/vcpu/run/loan.h>
#include <muster/vcpu/run/vcpu_core.h>
#include <muster/vcpu/run/vm_core.h>

namespace muster::vcpu {

using rendezvous::CpuSet;

// ---- one vCPU -----------------------------------------------------------------------------------

bool VcpuCore::CanTakeInterrupt(bool extint) const {
  const kvm_run& r = handle_.run();
  return (nmi_pending_ && r.s.regs.events.nmi.masked == 0) ||
         (r.if_flag && (extint || lapic_.Deliverable().has_value()));
}

bool VcpuCore::WireIsHigh() const {
  const ExtIntSource* const source = vm_.extint();
  return source != nullptr && lapic_.AcceptsExtInt() && source->Asserted();
}

void VcpuCore::Sleep() {
  ++counters_.parks;
  VmCore& vm = vm_;
  bool counted = false;
  doorbell_.Park([&vm, &counted] {
    counted = true;
    vm.FellAsleep();
  });
  if (counted) vm.WokeUp();
}

bool VcpuCore::CanBeActedFor() const {
  return !half_done_ && reset_ != Reset::kStart &&
         (held_ || state_ == RunState::kHalted || state_ == RunState::kWaitForSipi);
}

bool VcpuCore::CouldRun() const {
  if (held_) return false;
  return state_ == RunState::kRunning || (state_ == RunState::kHalted && CanTakeInterrupt());
}

bool VcpuCore::AsleepForGood() const {
  // Offline: its caller was given an exit, and what comes of that is not known here.
  if (state_ == RunState::kRunning || state_ == RunState::kOffline || held_) return false;
  if (doorbell_.requests() != 0) return false;
  if (state_ == RunState::kWaitForSipi) return true;
  return !CanTakeInterrupt() && !lapic_.NextDeadline();
}

// ---- all of them --------------------------------------------------------------------------------

// A deadline wakes its vCPU, which comes to FellAsleep again: while there is one nobody need look.
// That of a sleeping vCPU can also go, with an INIT from outside. Seq_cst in both: of the last to
// fall asleep and the last deadline to go, one at least sees the other.

void VmCore::FellAsleep() {
  if (awake_.FetchSub(1, std::memory_order_seq_cst) == 1 &&
      armed_timers_.Load(std::memory_order_seq_cst) == 0) {
    TellAllAsleep();
  }
}

void VmCore::TimerArmed(bool armed) {
  if (armed) {
    armed_timers_.FetchAdd(1, std::memory_order_seq_cst);
  } else if (armed_timers_.FetchSub(1, std::memory_order_seq_cst) == 1 &&
             awake_.Load(std::memory_order_seq_cst) == 0) {
    TellAllAsleep();
  }
}

void VmCore::TellAllAsleep() {
  Vm::IdleObserver* const observer = observer_.Load(std::memory_order_acquire);
  if (observer != nullptr) observer->AllAsleep();
}

// Not seq_cst: to be missed for a moment is harmless. Who still counts this vCPU as asleep has
// CanNeverRunAgain look, which borrows it, and finds it awake. Acquire and release, so that a 0
// that FellAsleep makes is seen after what this one did.
void VmCore::WokeUp() { awake_.FetchAdd(1, std::memory_order_acq_rel); }

bool VmCore::CanNeverRunAgain() {
  // With every vCPU borrowed nothing moves: an exact look, or none.
  const CpuSet present = Present();
  const bool waits = sync::ThisThread().acting_for == 0;
  CpuSet borrowed;
  CpuSet held;  // those, and whose run locks the caller has already, in a callback
  bool asleep = true;
  // In ascending order, so that two who look wait for each other in one direction only.
  for (int cpu : present) {
    Doorbell& doorbell = core(cpu).doorbell();
    if (!doorbell.BorrowedByCaller()) {
      if (doorbell.Borrow(waits) == Execution::kBorrowed) {
        asleep = false;
        break;
      }
      borrowed.Add(cpu);
    }
    held.Add(cpu);
    asleep = core(cpu).AsleepForGood();
    if (!asleep) break;
  }
  // Mail that came in meanwhile: a vCPU that was looked at first may have been rung since. Nobody
  // but the outside can have done that, but the answer is about now.
  for (int cpu : held) asleep = asleep && core(cpu).AsleepForGood();
  for (int cpu : borrowed) GiveBack(cpu);
  return asleep;
}

bool VmCore::WakeIsLost(int cpu, bool all_stand) {
  Doorbell& doorbell = core(cpu).doorbell();
  if (doorbell.execution() != Execution::kParked) return false;
  const Loan loan(core(cpu), Loan::Wait::kNo);
  if (!loan.granted()) return false;
  // What a borrower changes it rings for before it gives the vCPU back.
  if (doorbell.requests() == 0) return doorbell.SleepsUnwoken() && core(cpu).CouldRun();
  // Who has made a request may be about to wake it. Where all stand no thread is that in a run
  // loop; one that has left its loop, or is another, is counted. Such a one was counted before it
  // made the request that was seen above: where none is counted now, it has woken the vCPU, and
  // that is seen below. Seq_cst, all of it.
  return all_stand && ringing_.Load(std::memory_order_seq_cst) == 0 && doorbell.SleepsUnwoken();
}

}  // namespace muster::vcpu
