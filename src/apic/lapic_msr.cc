#include <muster/apic/lapic.h>

namespace muster::apic {
namespace {

LapicReg X2ApicRegister(uint32_t msr) { return static_cast<LapicReg>(msr - kMsrX2ApicFirst); }

bool IsX2ApicMsr(uint32_t msr) { return msr >= kMsrX2ApicFirst && msr <= kMsrX2ApicLast; }

/// SDM, "Local APIC Register Address Map Supported by x2APIC": what the page has and the MSRs do
/// not, or only for writing.
bool IsReadable(LapicReg reg) {
  switch (reg) {
    case LapicReg::kApr:
    case LapicReg::kRemoteRead:
    case LapicReg::kDfr:
    case LapicReg::kIcrHigh:
    case LapicReg::kEoi:
    case LapicReg::kSelfIpi:
      return false;
    default:
      return true;
  }
}

/// The bits that a write may set, the read-only ones included, which it does not change. None: the
/// register can't be written.
std::optional<uint64_t> AllowedBits(LapicReg reg, bool tsc_deadline) {
  if (IsLvt(reg)) return LvtWritable(reg, tsc_deadline) | LvtReadOnly(reg);
  switch (reg) {
    case LapicReg::kTpr:
    case LapicReg::kSelfIpi:
      return 0xff;
    case LapicReg::kEoi:
    case LapicReg::kEsr:
      return 0;
    case LapicReg::kSvr:
      return Svr::kWritable;
    case LapicReg::kIcrLow:
      return Icr::kWritable;
    case LapicReg::kInitialCount:
      return 0xffffffff;
    case LapicReg::kDivideConfiguration:
      return DivideConfiguration::kWritable;
    default:
      return std::nullopt;
  }
}

bool IsLegalWrite(LapicReg reg, uint64_t value, bool tsc_deadline) {
  const std::optional<uint64_t> allowed = AllowedBits(reg, tsc_deadline);
  if (!allowed || (value & ~*allowed) != 0) return false;
  return reg != LapicReg::kLvtTimer ||
         Lvt(static_cast<uint32_t>(value)).Get<Lvt::Mode>() != TimerMode::kReserved;
}

}  // namespace

std::optional<uint64_t> Lapic::MsrRead(uint32_t msr, const Now& now) {
  if (msr == kMsrApicBase) return apic_base_.raw;
  if (msr == kMsrTscDeadline && config_.tsc_deadline) {
    AdvanceTimer(now);
    return timer_.tsc_deadline();
  }
  if (!IsX2ApicMsr(msr) || mode() != ApicMode::kX2apic) return std::nullopt;
  const LapicReg reg = X2ApicRegister(msr);
  if (!IsReadable(reg)) return std::nullopt;
  AdvanceTimer(now);
  if (reg == LapicReg::kIcrLow) return icr_.raw;
  return ReadRegister(reg, now);
}

std::optional<Effects> Lapic::MsrWrite(uint32_t msr, uint64_t value, const Now& now) {
  const bool apic_base = msr == kMsrApicBase;
  const bool tsc_deadline = msr == kMsrTscDeadline && config_.tsc_deadline;
  if (apic_base) {
    if (!IsLegalApicBase(ApicBase(value))) return std::nullopt;
  } else if (!tsc_deadline) {
    if (!IsX2ApicMsr(msr) || mode() != ApicMode::kX2apic ||
        !IsLegalWrite(X2ApicRegister(msr), value, config_.tsc_deadline)) {
      return std::nullopt;
    }
  }

  Effects effects;
  const Observed before = Observe();
  AdvanceTimer(now);
  if (apic_base) {
    WriteApicBase(ApicBase(value));
  } else if (tsc_deadline) {
    timer_.SetTscDeadline(value);
    AdvanceTimer(now);  // A deadline in the past expires at once.
  } else if (msr == MsrNumber(LapicReg::kIcrLow)) {
    icr_ = Icr(value);
    SendIpi(effects);
  } else if (msr == MsrNumber(LapicReg::kSelfIpi)) {
    SendSelfIpi(static_cast<uint8_t>(value));
  } else {
    WriteRegister(X2ApicRegister(msr), static_cast<uint32_t>(value), now, effects);
  }
  Compare(before, effects);
  return effects;
}

bool Lapic::IsLegalApicBase(ApicBase value) const {
  const uint64_t above_maxphyaddr = ~uint64_t{0} << config_.physical_address_bits;
  if ((value.raw & (kMaskOf<ApicBase::Reserved0, ApicBase::Reserved9> | above_maxphyaddr)) != 0) {
    return false;
  }
  if (!value.Get<ApicBase::Extd>()) {
    // The way from x2APIC back to xAPIC mode leads through disabled.
    return mode() != ApicMode::kX2apic || !value.Get<ApicBase::En>();
  }
  // EXTD without EN is no state; from disabled, xAPIC mode is first.
  return config_.x2apic && value.Get<ApicBase::En>() && enabled();
}

void Lapic::WriteApicBase(ApicBase value) {
  const ApicMode old_mode = mode();
  apic_base_ = value;
  if (mode() == old_mode) return;
  // SDM, "x2APIC State Transitions": a disabled APIC loses its state. On the way to x2APIC mode
  // only the upper half of the ICR is lost; ID and LDR take their new form.
  if (!enabled()) ResetRegisters();
  if (mode() == ApicMode::kX2apic) icr_.Set<Icr::DestinationId>(0);
}

}  // namespace muster::apic
