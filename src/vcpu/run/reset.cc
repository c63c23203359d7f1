// INIT, SIPI and the first start. The models change inside a rendezvous with the vCPU, so that
// reset and wait-for-SIPI are one step to everybody else; KVM's registers follow here, on the
// owner's thread, before it enters the guest again.

#include <cerrno>
#include <fmt/format.h>

#include <muster/vcpu/kvm/ioctl_error.h>
#include <muster/vcpu/run/vcpu_core.h>
#include <muster/vcpu/run/vm_core.h>

namespace muster::vcpu {

void VcpuCore::AcceptInit() {
  ++counters_.meetings;
  Trace(EventKind::kMeet);
  ++counters_.inits;
  Trace(EventKind::kInit);
  lapic_.Init();
  // Before the mail goes: what it wipes out is for another, who is looked for in there.
  PublishIdentity();
  ForgetPending();
  ArmTimer();
  Move(bootstrap() ? RunEvent::kInitBsp : RunEvent::kInitAp);
  reset_ = Reset::kInit;
  // A waiting processor has nothing to do; the bootstrap processor goes to its reset vector.
  if (bootstrap()) doorbell_.Ring(kRequestReset);
}

void VcpuCore::ForgetPending(uint64_t ns) {
  doorbell_.Take(kRequestMail | kRequestNmi | kRequestExtInt | kRequestTimer);
  mailbox_.Drain([&](uint8_t vector, apic::TriggerMode trigger) { Discard(vector, trigger, ns); });
  nmi_pending_ = false;
  poll_at_ = Clock::kNever;  // its expiry may be among what was taken
  extint_mail_ = false;
  held_ = false;
}

void VcpuCore::AcceptStartup(uint8_t vector) {
  ++counters_.meetings;
  Trace(EventKind::kMeet);
  if (!Move(RunEvent::kStartup)) {
    ++counters_.startups_dropped;
    return;
  }
  ++counters_.startups;
  Trace(EventKind::kSipi, vector);
  startup_vector_ = vector;
  reset_ = Reset::kStartup;
  doorbell_.Ring(kRequestReset);
}

absl::Status VcpuCore::SetStart(const StartState& start) {
  if (entered_) {
    return absl::FailedPreconditionError(
        fmt::format("SetStart called after vCPU {} has run; it says where the first Run begins, "
                    "and StartAgain where it begins anew",
                    cpu_));
  }
  return BeginAt(start);
}

absl::Status VcpuCore::BeginAt(const StartState& start) {
  // Told here what it breaks, not by the Run that begins there.
  if (const auto state = AtStart(start, {}, signature_); !state.ok()) return state.status();
  start_ = start;
  reset_ = Reset::kStart;
  return absl::OkStatus();
}

void VcpuCore::ForgetKvmState() {
  run().kvm_dirty_regs = 0;
  run().request_interrupt_window = 0;
  run().cr8 = 0;
  stepper_.Forget();
}

absl::Status VcpuCore::ApplyReset() {
  const absl::StatusOr<kvm_sregs> before = handle_.GetSregs();
  if (!before.ok()) return before.status();

  Registers next{};
  switch (reset_) {
    case Reset::kNone:
      return absl::OkStatus();
    case Reset::kStart: {
      const absl::StatusOr<Registers> start = AtStart(start_, *before, signature_);
      if (!start.ok()) return start.status();
      next = *start;
      break;
    }
    case Reset::kPowerUp:
      next = AfterPowerUp(*before, signature_);
      break;
    case Reset::kInit:
      next = AfterInit(*before, signature_);
      break;
    case Reset::kStartup:
      next = AfterInit(*before, signature_);
      ApplySipi(startup_vector_, next);
      break;
  }
  reset_ = Reset::kNone;
  ForgetKvmState();
  next.sregs.apic_base = lapic_.apic_base();
  apic_base_stale_ = false;
  for (const absl::Status& status :
       {handle_.SetSregs(next.sregs), handle_.SetRegs(next.regs),
        handle_.SetEvents(EventsAfterInit()), handle_.SetDebugRegs(DebugRegsAfterInit()),
        handle_.SetGuestDebug({})}) {
    if (!status.ok()) return status;
  }
  if (!entered_) vm_.SealMemory();
  entered_ = true;
  // if_flag and ready_for_interrupt_injection are still those of the earlier life.
  doorbell_.ForceExit();
  const int error = RunKvm();
  doorbell_.ClearForcedExit();
  ++counters_.interrupted;
  return error == EINTR ? absl::OkStatus() : IoctlError("KVM_RUN", error, cpu_);
}

}  // namespace muster::vcpu
