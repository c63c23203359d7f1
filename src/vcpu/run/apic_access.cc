// Between a vCPU's local APIC and everything around it: what the APIC wants done, the mail that
// comes in, the timer, and KVM's copy of IA32_APIC_BASE.

#include <algorithm>
#include <x86intrin.h>

#include <muster/vcpu/run/vcpu_core.h>
#include <muster/vcpu/run/vm_core.h>

namespace muster::vcpu {

apic::Now VcpuCore::Now() {
  return {.ns = vm_.clock().NowNs(),
          .tsc = static_cast<uint64_t>(static_cast<int64_t>(__rdtsc()) + tsc_offset_)};
}

// What the models do between them and tell nobody: EOIs, and fixed IPIs to oneself.
void VcpuCore::TraceAccess(uint32_t reg, uint64_t value) {
  if (!ring_.enabled()) return;
  switch (static_cast<apic::LapicReg>(reg)) {
    case apic::LapicReg::kEoi:
      if (const std::optional<uint8_t> vector = lapic_.isr().Highest()) {
        Trace(EventKind::kEoi, *vector);
      }
      break;
    case apic::LapicReg::kSelfIpi:
      TracePost(0, value & 0xff, cpu_);
      break;
    case apic::LapicReg::kIcrLow: {
      const apic::Icr icr(value);
      if (icr.Get<apic::Icr::DestinationShorthand>() == apic::Shorthand::kSelf &&
          icr.Get<apic::Icr::Delivery>() == apic::DeliveryMode::kFixed) {
        TracePost(0, icr.Get<apic::Icr::Vector>(), cpu_);
      }
      break;
    }
    default:
      break;
  }
}

absl::Status VcpuCore::Perform(const apic::Effects& effects) {
  // First what others must see before the access is done: a message that they send in answer to
  // ours finds the new identity.
  if (effects.identity_changed) {
    PublishIdentity();
    if (lapic_.software_enabled()) {
      if (const absl::Status status = vm_.fabric().ioapic().Retry(cpu_); !status.ok())
        return status;
    }
  }
  // Where LINT0 took the wire's rise as something else, the identity is the same.
  if (effects.extint_opened) wire_ = true;
  if (effects.timer_changed) ArmTimer();
  if (effects.nmi) nmi_pending_ = true;
  if (effects.eoi) {
    const absl::Status status = vm_.fabric().ioapic().Eoi(cpu_, *effects.eoi);
    if (!status.ok()) return status;
  }
  if (effects.init) {
    const absl::Status status = vm_.Init(Origin::Ipi(cpu_), rendezvous::CpuSet{cpu_});
    if (!status.ok()) return status;
  }
  if (!effects.ipi) return absl::OkStatus();
  ++counters_.ipis_sent;
  return vm_.fabric().SendIpi(cpu_, *effects.ipi);
}

// Before each APIC access, and before each entry: an access that changes what the APIC accepts
// must not decide over mail that came first.
void VcpuCore::DrainMail() {
  const uint32_t taken = doorbell_.Take(kRequestMail | kRequestExtInt);
  if ((taken & kRequestExtInt) != 0) AcceptExtInt();
  if ((taken & kRequestMail) == 0) return;
  mailbox_.Drain([this](uint8_t vector, apic::TriggerMode trigger) {
    switch (lapic_.Accept(vector, trigger)) {
      case apic::Lapic::Accepted::kNew:
        ++counters_.mail_accepted;
        break;
      case apic::Lapic::Accepted::kMerged:
        ++counters_.mail_merged;
        break;
      case apic::Lapic::Accepted::kDiscarded:
        Discard(vector, trigger);
        break;
    }
  });
}

// SDM, "Local APIC State After It Has Been Software Disabled": of messages it takes INIT, NMI, SMI
// and SIPI.
void VcpuCore::AcceptExtInt() {
  if (vm_.extint() == nullptr || !lapic_.software_enabled()) {
    ++counters_.extints_discarded;
  } else {
    extint_mail_ = true;
  }
}

void VcpuCore::PublishIdentity() {
  vm_.fabric().table().Publish(cpu_, lapic_.identity());
  vm_.SeeWire();
  wire_ = vm_.extint() != nullptr;  // to be looked at: it may have begun to reach this one
}

void VcpuCore::Discard(uint8_t vector, apic::TriggerMode trigger, uint64_t ns) {
  ++counters_.mail_discarded;
  // The pin would wait for its EOI for ever.
  if (trigger == apic::TriggerMode::kLevel) vm_.fabric().ioapic().Discarded(cpu_, vector, ns);
}

void VcpuCore::AcceptMail() {
  ++counters_.meetings;
  Trace(EventKind::kMeet);
  DrainMail();
  // This may be a borrower, which has just taken the request that the owner was to find when it
  // looks a last time before it sleeps; and its poster saw it awake and did not wake it.
  if (state_ == RunState::kHalted && CanTakeInterrupt()) doorbell_.Ring(kRequestMail);
}

void VcpuCore::ArmTimer() {
  uint64_t wanted = Clock::kNever;
  if (const std::optional<apic::Deadline> deadline = lapic_.NextDeadline()) {
    wanted = deadline->value;
    if (deadline->clock == apic::Deadline::Clock::kTsc) {
      const apic::Now now = Now();
      const uint64_t ticks = deadline->value > now.tsc ? deadline->value - now.tsc : 0;
      // 128 bits: a deadline may be centuries away. Rounded up: early would be no expiry.
      const unsigned __int128 ns =
          (static_cast<unsigned __int128>(ticks) * 1'000'000 + tsc_khz_ - 1) / tsc_khz_;
      wanted = now.ns + static_cast<uint64_t>(std::min<unsigned __int128>(ns, UINT64_MAX / 4));
    }
  }
  wanted = std::min(wanted, poll_at_);
  if (wanted == armed_) return;
  vm_.clock().Arm(cpu_, wanted);
  NoteArmed(wanted);
}

void VcpuCore::NoteArmed(uint64_t deadline_ns) {
  const bool was = armed_ != Clock::kNever, is = deadline_ns != Clock::kNever;
  armed_ = deadline_ns;
  if (was != is) vm_.TimerArmed(is);
}

absl::Status VcpuCore::ReadTsc() {
  const absl::StatusOr<uint32_t> khz = handle_.GetTscKhz();
  if (!khz.ok()) return khz.status();
  const absl::StatusOr<int64_t> offset = handle_.GetTscOffset();
  if (!offset.ok()) return offset.status();
  tsc_khz_ = *khz;
  tsc_offset_ = *offset;
  return absl::OkStatus();
}

absl::Status VcpuCore::MoveTsc(uint32_t msr, uint64_t value) {
  absl::Status status = handle_.MoveTsc(msr, value);
  if (!status.ok() || tsc_khz_ == 0) return status;
  status = ReadTsc();
  return status.ok() ? Perform(lapic_.TimerExpired(Now())) : status;
}

// CPUID.1:EDX.APIC follows IA32_APIC_BASE.EN in KVM's copy.
absl::Status VcpuCore::MirrorApicBase() {
  apic_base_stale_ = false;
  // Not with the other registers: KVM may refuse to be given what it has itself, like a legacy-mode
  // CS with L set.
  return handle_.SetMsr(apic::kMsrApicBase, lapic_.apic_base());
}

}  // namespace muster::vcpu
