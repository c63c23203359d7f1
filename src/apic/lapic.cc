#include <algorithm>

#include <muster/apic/lapic.h>

namespace muster::apic {

Lapic::Lapic(const LapicConfig& config) : config_(config) {
  constexpr uint8_t kMostAddressBits = 52;
  config_.physical_address_bits = std::min(config_.physical_address_bits, kMostAddressBits);
  PowerOn();
}

void Lapic::PowerOn() {
  apic_base_ = ApicBase(kDefaultApicBase);
  apic_base_.Set<ApicBase::En>(true);
  apic_base_.Set<ApicBase::Bsp>(config_.bootstrap);
  ResetRegisters();
}

void Lapic::Init() { ResetRegisters(); }

void Lapic::AsFirmwareLeaves(bool x2apic) {
  PowerOn();
  apic_base_.Set<ApicBase::Extd>(x2apic && config_.x2apic);
  if (!config_.bootstrap) return;
  svr_.Set<Svr::Enable>(true);
  Lvt& lint0 = lvt_ref(LapicReg::kLvtLint0);
  lint0.Set<Lvt::Delivery>(DeliveryMode::kExtInt);
  lint0.Set<Lvt::Mask>(false);
  Lvt& lint1 = lvt_ref(LapicReg::kLvtLint1);
  lint1.Set<Lvt::Delivery>(DeliveryMode::kNmi);
  lint1.Set<Lvt::Mask>(false);
}

void Lapic::ResetRegisters() {
  tpr_ = 0;
  irr_.Clear();
  isr_.Clear();
  tmr_.Clear();
  ldr_ = 0;
  dfr_ = ~0u;
  svr_ = Svr(Svr::kReset);
  esr_ = esr_pending_ = Esr();
  error_armed_ = true;
  icr_ = Icr();
  lvts_.fill(Lvt(Lvt::kReset));
  timer_.Reset();
}

ApicMode Lapic::mode() const {
  if (!apic_base_.Get<ApicBase::En>()) return ApicMode::kDisabled;
  return apic_base_.Get<ApicBase::Extd>() ? ApicMode::kX2apic : ApicMode::kXapic;
}

Identity Lapic::identity() const {
  return {.id = config_.id,
          .ldr = mode() == ApicMode::kX2apic ? LogicalX2ApicId(config_.id) : ldr_,
          .model = static_cast<LogicalModel>(dfr_ >> 28),
          .mode = mode(),
          .software_enabled = software_enabled(),
          .wired = !enabled() || !lvt(LapicReg::kLvtLint0).Get<Lvt::Mask>()};
}

std::optional<uint64_t> Lapic::MmioPage() const {
  if (mode() != ApicMode::kXapic) return std::nullopt;
  return apic_base_.raw & ApicBase::Base::kMask;
}

uint8_t Lapic::apr() const {
  // SDM, "Arbitration Priority Register": the classes, the lower digit is the TPR's or 0.
  const uint8_t waiting = irr_.Highest().value_or(0) & 0xf0;
  const uint8_t in_service = isr_.Highest().value_or(0) & 0xf0;
  const uint8_t task = tpr_ & 0xf0;
  if (task >= waiting && task > in_service) return tpr_;
  return std::max<uint8_t>(task & in_service, waiting);
}

void Lapic::Compare(const Observed& before, Effects& effects) const {
  effects.identity_changed = identity() != before.identity;
  effects.timer_changed = NextDeadline() != before.deadline;
  effects.page_changed = MmioPage() != before.page;
  effects.extint_opened = AcceptsExtInt() && !before.extint;
}

const char* Lapic::CheckInvariants() const {
  constexpr uint32_t kIllegal = 0xffff;
  if (((irr_.Register(0) | isr_.Register(0) | tmr_.Register(0)) & kIllegal) != 0) {
    return "a vector below 16 is in IRR, ISR or TMR";
  }
  if (apic_base_.Get<ApicBase::Extd>() && !(enabled() && config_.x2apic)) {
    return "IA32_APIC_BASE.EXTD without EN or without the feature";
  }
  if (!enabled() && (software_enabled() || !irr_.Empty() || !isr_.Empty())) {
    return "a disabled APIC holds interrupts";
  }
  if ((svr_.raw & ~Svr::kWritable) != 0) return "a reserved bit of SVR is set";
  if ((ldr_ & ~kXapicLdrWritable) != 0) return "a reserved bit of LDR is set";
  if ((~dfr_ & ~kDfrWritable) != 0) return "a reserved bit of DFR is clear";
  if ((icr_.raw & ~Icr::kWritable) != 0) return "a reserved bit of ICR is set";
  for (unsigned i = 0; i < kLvtCount; ++i) {
    const LapicReg reg = LapicReg::kLvtTimer + i;
    const Lvt entry = lvts_[i];
    const uint32_t defined = LvtWritable(reg, config_.tsc_deadline) | LvtReadOnly(reg);
    if ((entry.raw & ~defined) != 0) return "a reserved bit of the LVT is set";
    if (entry.Get<Lvt::Status>()) return "an LVT entry is pending delivery";
    if (!software_enabled() && !entry.Get<Lvt::Mask>()) return "disabled, and not masked";
    if (entry.Get<Lvt::RemoteIrr>() && entry.Get<Lvt::Trigger>() == TriggerMode::kEdge) {
      return "an edge has a remote IRR";
    }
  }
  if (timer_.mode() != lvt(LapicReg::kLvtTimer).Get<Lvt::Mode>()) {
    return "the timer's mode is not the LVT's";
  }
  return nullptr;
}

}  // namespace muster::apic
