// What goes into the guest with the next entry: CR8, NMI, the highest deliverable vector, or the
// wish to be told when one can be taken.
//
// A vector is queued only where KVM says ready_for_interrupt_injection and IF is set at an exit
// that is wholly done, one for each entry. KVM itself checks neither, and VMX fails the entry
// (SDM "Checks on Guest RIP, RFLAGS, and SSP": an external interrupt needs IF = 1, and "Checks on
// Guest Non-Register State": no blocking by STI or MOV SS).

#include <cassert>

#include <muster/vcpu/kvm/host_traits.h>
#include <muster/vcpu/run/vcpu_core.h>
#include <muster/vcpu/run/vm_core.h>

namespace muster::vcpu {
namespace {

// The events in the page are KVM's own, from the last exit, with this much added. KVM takes them
// as a whole.
void QueueEvents(kvm_run& run) { run.kvm_dirty_regs |= KVM_SYNC_X86_EVENTS; }

// Sets a flag for as long as it lives, also where what is called meanwhile throws.
class Raised {
 public:
  explicit Raised(bool& flag) : flag_(flag) { flag_ = true; }
  ~Raised() { flag_ = false; }
  Raised(const Raised&) = delete;
  Raised& operator=(const Raised&) = delete;

 private:
  bool& flag_;
};

}  // namespace

VcpuCore::Entry VcpuCore::PrepareEntry(Exit& exit) {
  const std::optional<uint8_t> vector = lapic_.Deliverable();
  LookAtWire();
  const bool interrupt = vector.has_value() || ExtIntWaits();
  // An injection must not meet an exit that is half done: where finishing it raises an exception,
  // the vector would be lost or run inside the exception's handler.
  if (half_done_ && (interrupt || nmi_pending_)) return Entry::kFinishFirst;

  run().cr8 = lapic_.cr8();
  vm_.fabric().table().PublishPriority(cpu_, lapic_.ppr());

  if (nmi_pending_) {
    // One in service and one latched is all that a processor holds: a third merges.
    nmi_pending_ = false;
    ++counters_.nmis_injected;
    Trace(EventKind::kNmi);
    run().s.regs.events.nmi.pending = 1;
    run().s.regs.events.flags |= KVM_VCPUEVENT_VALID_NMI_PENDING;
    QueueEvents(run());
  }

  run().request_interrupt_window = 0;
  if (!interrupt) {
    // Lowering CR8 may not exit: look again soon.
    if (MaskedByTprOnly() && !vm_.traits().set_tpr_exits) {
      Poll();
    } else {
      poll_at_ = Clock::kNever;
    }
    stepper_.Refill();
    if (const absl::Status status = stepper_.Disarm(handle_); !status.ok())
      return Failed(exit, status);
    return Entry::kReady;
  }

  const kvm_vcpu_events& events = run().s.regs.events;
  const bool queued = (run().kvm_dirty_regs & KVM_SYNC_X86_EVENTS) != 0 &&
                      (events.interrupt.injected != 0 || events.exception.injected != 0);
  if (run().ready_for_interrupt_injection && run().if_flag && !queued) {
    if (const absl::Status status = stepper_.Disarm(handle_); !status.ok())
      return Failed(exit, status);
    // What the 8259 has goes first: it bypasses the local APIC's priorities.
    if (!ExtIntWaits()) {
      Inject(*vector);
    } else if (!InjectExtInt()) {
      return Entry::kAgain;
    }
    stepper_.Refill();
    poll_at_ = Clock::kNever;
    run().request_interrupt_window = ExtIntWaits() || lapic_.Deliverable().has_value();
    return Entry::kReady;
  }

  run().request_interrupt_window = 1;
  if (vm_.traits().exact_windows) return Entry::kReady;
  // What KVM still holds it delivers first. A step would push TF with the flags then, and the IRET
  // would bring it back: the guest itself would get the #DB.
  const bool kvm_holds_one = events.interrupt.injected != 0 || events.nmi.pending != 0 ||
                             events.nmi.injected != 0 || events.exception.injected != 0;
  if (stepper_.exhausted()) Poll();  // which refills the budget
  const absl::Status status = stepper_.exhausted() || kvm_holds_one
                                  ? stepper_.Disarm(handle_)
                                  : stepper_.Arm(handle_, vm_.memory());
  if (!status.ok()) return Failed(exit, status);
  return Entry::kReady;
}

VcpuCore::Entry VcpuCore::Failed(Exit& exit, absl::Status status) {
  Fail(exit, std::move(status));
  return Entry::kFailed;
}

// Has the clock ring even if no timer of the guest's expires.
void VcpuCore::Poll() {
  constexpr uint64_t kPollNs = 2'000'000;
  if (poll_at_ != Clock::kNever) return;
  poll_at_ = vm_.clock().NowNs() + kPollNs;
  ArmTimer();
}

void VcpuCore::Inject(uint8_t vector) {
  [[maybe_unused]] const bool deliverable = lapic_.Acknowledge(vector);
  assert(deliverable);
  ++counters_.injected;
  Trace(EventKind::kInject, vector);
  QueueInterrupt(vector);
}

// False: the vCPU was reset meanwhile, and the interrupt with it.
bool VcpuCore::InjectExtInt() {
  extint_mail_ = false;  // by whichever way it came, there is one request to acknowledge
  uint8_t vector = 0;
  {
    const Raised acknowledging(acknowledging_);
    vector = vm_.extint()->Acknowledge(cpu_);
  }
  ++counters_.extints_injected;
  Trace(EventKind::kExtInt, vector);
  LookAtWire();
  // What its user sent from there may have met vCPUs, and a meeting serves others.
  if (reset_ != Reset::kNone || state_ != RunState::kRunning) return false;
  QueueInterrupt(vector);
  return true;
}

void VcpuCore::QueueInterrupt(uint8_t vector) {
  auto& interrupt = run().s.regs.events.interrupt;
  interrupt.injected = 1;
  interrupt.nr = vector;
  interrupt.soft = 0;
  QueueEvents(run());
}

bool VcpuCore::MaskedByTprOnly() const {
  const std::optional<uint8_t> pending = lapic_.irr().Highest();
  if (!pending) return false;
  const int in_service = lapic_.isr().Highest().value_or(0) >> 4;
  return (*pending >> 4) > in_service;
}

}  // namespace muster::vcpu
