#include <muster/apic/lapic.h>

namespace muster::apic {

Lapic::Accepted Lapic::Accept(uint8_t vector, TriggerMode trigger_mode) {
  if (!enabled() || !software_enabled()) {
    ++counters_.discarded;
    return Accepted::kDiscarded;
  }
  if (vector < kFirstLegalVector) {
    ++counters_.illegal_vectors;
    ReportError(Esr::ReceiveIllegalVector::kMask);
    return Accepted::kDiscarded;
  }
  tmr_.Set(vector, trigger_mode == TriggerMode::kLevel);
  if (irr_.Contains(vector)) {
    ++counters_.merged;
    return Accepted::kMerged;
  }
  irr_.Add(vector);
  ++counters_.accepted;
  return Accepted::kNew;
}

bool Lapic::Acknowledge(uint8_t vector) {
  if (Deliverable() != vector) return false;
  irr_.Remove(vector);
  isr_.Add(vector);
  return true;
}

void Lapic::EndOfInterrupt(Effects& effects) {
  const std::optional<uint8_t> vector = isr_.Highest();
  if (!vector) return;
  isr_.Remove(*vector);
  if (!tmr_.Contains(*vector)) return;
  effects.eoi = *vector;
  Lvt& lint0 = lvt_ref(LapicReg::kLvtLint0);
  if (lint0.Get<Lvt::Vector>() == *vector) lint0.Set<Lvt::RemoteIrr>(false);
}

Effects Lapic::RaiseLvt(LapicReg reg) {
  Effects effects;
  if (reg < LapicReg::kLvtThermal || reg > LapicReg::kLvtLint1) return effects;
  if (!enabled()) {
    // LINT0 and LINT1 are INTR and NMI then.
    effects.nmi = reg == LapicReg::kLvtLint1;
    return effects;
  }
  Lvt& entry = lvt_ref(reg);
  if (entry.Get<Lvt::Mask>()) return effects;
  const bool lint = reg == LapicReg::kLvtLint0 || reg == LapicReg::kLvtLint1;
  switch (entry.Get<Lvt::Delivery>()) {
    case DeliveryMode::kFixed: {
      // LINT1 does not know levels, whatever its entry says (SDM, "Local Vector Table").
      const bool level =
          reg == LapicReg::kLvtLint0 && entry.Get<Lvt::Trigger>() == TriggerMode::kLevel;
      if (level && entry.Get<Lvt::RemoteIrr>()) break;
      const Accepted accepted =
          Accept(entry.Get<Lvt::Vector>(), level ? TriggerMode::kLevel : TriggerMode::kEdge);
      if (level && accepted != Accepted::kDiscarded) entry.Set<Lvt::RemoteIrr>(true);
      break;
    }
    case DeliveryMode::kNmi:
      effects.nmi = true;
      break;
    case DeliveryMode::kSmi:
      ++counters_.smis;
      break;
    case DeliveryMode::kInit:
      effects.init = lint;
      break;
    case DeliveryMode::kExtInt:  // A wire: see AcceptsExtInt().
    case DeliveryMode::kLowestPriority:
    case DeliveryMode::kReserved:
    case DeliveryMode::kStartup:
      break;
  }
  if (reg == LapicReg::kLvtPmc) entry.Set<Lvt::Mask>(true);
  return effects;
}

bool Lapic::AcceptsExtInt() const {
  if (!enabled()) return true;
  const Lvt lint0 = lvt(LapicReg::kLvtLint0);
  return !lint0.Get<Lvt::Mask>() && lint0.Get<Lvt::Delivery>() == DeliveryMode::kExtInt;
}

void Lapic::ReportError(uint64_t esr_bits) {
  esr_pending_.raw |= static_cast<uint32_t>(esr_bits);
  const Lvt entry = lvt(LapicReg::kLvtError);
  if (!error_armed_ || entry.Get<Lvt::Mask>()) return;
  // One interrupt, until a write to the ESR arms the next. It also ends the recursion of an error
  // entry whose own vector is illegal.
  error_armed_ = false;
  Accept(entry.Get<Lvt::Vector>(), TriggerMode::kEdge);
}

void Lapic::AdvanceTimer(const Now& now) {
  const uint64_t expired = timer_.Advance(now);
  const Lvt entry = lvt(LapicReg::kLvtTimer);
  if (expired == 0 || entry.Get<Lvt::Mask>()) return;
  counters_.merged_periods += expired - 1;
  Accept(entry.Get<Lvt::Vector>(), TriggerMode::kEdge);
}

Effects Lapic::TimerExpired(const Now& now) {
  AdvanceTimer(now);
  Effects effects;
  effects.timer_changed = true;
  return effects;
}

std::optional<Deadline> Lapic::NextDeadline() const {
  if (lvt(LapicReg::kLvtTimer).Get<Lvt::Mask>()) return std::nullopt;
  return timer_.Next();
}

}  // namespace muster::apic
