#include <muster/apic/lapic.h>

namespace muster::apic {
namespace {

/// An integrated APIC with the six LVT entries of IsLvt() and no optional feature.
constexpr LapicVersion Version() {
  LapicVersion version;
  version.Set<LapicVersion::Version>(0x14);
  version.Set<LapicVersion::MaxLvt>(kLvtCount - 1);
  return version;
}

constexpr unsigned Index(LapicReg reg) { return static_cast<unsigned>(reg) & 7; }

}  // namespace

std::optional<uint32_t> Lapic::ReadRegister(LapicReg reg, const Now& now) const {
  if (reg >= LapicReg::kIsr && reg < LapicReg::kTmr) return isr_.Register(Index(reg));
  if (reg >= LapicReg::kTmr && reg < LapicReg::kIrr) return tmr_.Register(Index(reg));
  if (reg >= LapicReg::kIrr && reg < LapicReg::kEsr) return irr_.Register(Index(reg));
  if (IsLvt(reg)) return lvt(reg).raw;
  switch (reg) {
    case LapicReg::kId:
      return mode() == ApicMode::kX2apic ? config_.id : config_.id << 24;
    case LapicReg::kVersion:
      return Version().raw;
    case LapicReg::kTpr:
      return tpr_;
    case LapicReg::kApr:
      return apr();
    case LapicReg::kPpr:
      return ppr();
    case LapicReg::kLdr:
      return identity().ldr;
    case LapicReg::kDfr:
      return dfr_;
    case LapicReg::kSvr:
      return svr_.raw;
    case LapicReg::kEsr:
      return esr_.raw;
    case LapicReg::kIcrLow:
      return static_cast<uint32_t>(icr_.raw);
    case LapicReg::kIcrHigh:
      return static_cast<uint32_t>(icr_.raw >> 32);
    case LapicReg::kInitialCount:
      return timer_.initial_count();
    case LapicReg::kCurrentCount:
      return timer_.CurrentCount(now);
    case LapicReg::kDivideConfiguration:
      return timer_.divide().raw;
    case LapicReg::kEoi:         // write-only
    case LapicReg::kRemoteRead:  // went with the APIC bus
      return 0;
    default:
      return std::nullopt;
  }
}

bool Lapic::WriteRegister(LapicReg reg, uint32_t value, const Now& now, Effects& effects) {
  if (reg >= LapicReg::kIsr && reg < LapicReg::kEsr) return true;
  if (IsLvt(reg)) {
    WriteLvt(reg, value);
    return true;
  }
  switch (reg) {
    case LapicReg::kId:  // Read-only, as the manual allows: the id never changes under a message.
    case LapicReg::kVersion:
    case LapicReg::kApr:
    case LapicReg::kPpr:
    case LapicReg::kRemoteRead:
    case LapicReg::kCurrentCount:
      return true;
    case LapicReg::kTpr:
      tpr_ = static_cast<uint8_t>(value);
      return true;
    case LapicReg::kEoi:
      EndOfInterrupt(effects);
      return true;
    case LapicReg::kLdr:
      ldr_ = value & kXapicLdrWritable;
      return true;
    case LapicReg::kDfr:
      dfr_ = value | ~kDfrWritable;
      return true;
    case LapicReg::kSvr:
      WriteSvr(value);
      return true;
    case LapicReg::kEsr:
      esr_ = esr_pending_;
      esr_pending_ = Esr();
      error_armed_ = true;
      return true;
    case LapicReg::kIcrLow:
      icr_.raw = (icr_.raw & Icr::DestinationId::kMask) | (value & Icr::kXapicWritable);
      SendIpi(effects);
      return true;
    case LapicReg::kIcrHigh:
      icr_.raw = (icr_.raw & ~Icr::DestinationId::kMask) |
                 ((uint64_t{value} << 32) & Icr::XapicDestinationId::kMask);
      return true;
    case LapicReg::kInitialCount:
      timer_.SetInitialCount(value, now);
      return true;
    case LapicReg::kDivideConfiguration:
      timer_.SetDivide(DivideConfiguration(value & DivideConfiguration::kWritable), now);
      return true;
    default:
      return false;
  }
}

void Lapic::WriteSvr(uint32_t value) {
  svr_ = Svr(value & Svr::kWritable);
  if (software_enabled()) return;
  for (Lvt& entry : lvts_) entry.Set<Lvt::Mask>(true);
}

void Lapic::WriteLvt(LapicReg reg, uint32_t value) {
  Lvt& entry = lvt_ref(reg);
  const uint32_t writable = LvtWritable(reg, config_.tsc_deadline);
  entry.raw = (value & writable) | (entry.raw & LvtReadOnly(reg));
  if (!software_enabled()) entry.Set<Lvt::Mask>(true);
  if (entry.Get<Lvt::Trigger>() == TriggerMode::kEdge) entry.Set<Lvt::RemoteIrr>(false);
  if (reg == LapicReg::kLvtTimer) timer_.SetMode(entry.Get<Lvt::Mode>());
}

}  // namespace muster::apic
