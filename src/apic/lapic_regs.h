#pragma once

#include <cstdint>

#include <muster/apic/bit_field.h>
#include <muster/apic/message.h>

// Registers of the local APIC: SDM volume 3, chapter "Advanced Programmable Interrupt Controller
// (APIC)".

namespace muster::apic {

/// A register's number: its offset in the page over 16, its MSR less 0x800.
enum class LapicReg : uint8_t {
  kId = 0x02,
  kVersion = 0x03,
  kTpr = 0x08,
  kApr = 0x09,
  kPpr = 0x0a,
  kEoi = 0x0b,
  kRemoteRead = 0x0c,
  kLdr = 0x0d,
  kDfr = 0x0e,
  kSvr = 0x0f,
  kIsr = 0x10,  ///< the first of eight, as kTmr and kIrr
  kTmr = 0x18,
  kIrr = 0x20,
  kEsr = 0x28,
  kIcrLow = 0x30,
  kIcrHigh = 0x31,
  kLvtTimer = 0x32,
  kLvtThermal = 0x33,
  kLvtPmc = 0x34,
  kLvtLint0 = 0x35,
  kLvtLint1 = 0x36,
  kLvtError = 0x37,
  kInitialCount = 0x38,
  kCurrentCount = 0x39,
  kDivideConfiguration = 0x3e,
  kSelfIpi = 0x3f,
};

/// The register `i` after `reg`: of ISR, TMR, IRR and the LVT.
constexpr LapicReg operator+(LapicReg reg, unsigned i) {
  return static_cast<LapicReg>(static_cast<unsigned>(reg) + i);
}
/// Its offset in the page.
constexpr uint32_t MmioOffset(LapicReg reg) { return static_cast<uint32_t>(reg) << 4; }
/// Its MSR in x2APIC mode.
constexpr uint32_t MsrNumber(LapicReg reg) { return 0x800 + static_cast<uint32_t>(reg); }

inline constexpr uint32_t kMsrApicBase = 0x1b;
inline constexpr uint32_t kMsrTscDeadline = 0x6e0;
inline constexpr uint32_t kMsrX2ApicFirst = 0x800;
inline constexpr uint32_t kMsrX2ApicLast = 0x8ff;
inline constexpr uint32_t kLapicPageSize = 0x1000;
inline constexpr uint64_t kDefaultApicBase = 0xfee00000;

/// IA32_APIC_BASE. The base ends at MAXPHYADDR; the bits above are reserved.
struct ApicBase : RegisterValue<uint64_t> {
  using RegisterValue::RegisterValue;
  using Reserved0 = Bits<7, 0>;
  using Bsp = Bits<8>;
  using Reserved9 = Bits<9>;
  using Extd = Bits<10>;
  using En = Bits<11>;
  using Base = Bits<63, 12, uint64_t>;
};
static_assert(sizeof(ApicBase) == 8);
static_assert(kPartition<uint64_t, ApicBase::Reserved0, ApicBase::Bsp, ApicBase::Reserved9,
                         ApicBase::Extd, ApicBase::En, ApicBase::Base>);

/// Spurious-Interrupt Vector Register.
struct Svr : RegisterValue<uint32_t> {
  using RegisterValue::RegisterValue;
  using Vector = Bits<7, 0, uint8_t>;
  using Enable = Bits<8>;
  using FocusDisabled = Bits<9>;
  using Reserved10 = Bits<11, 10>;
  using SuppressEoiBroadcast = Bits<12>;
  using Reserved13 = Bits<31, 13>;
  static constexpr uint32_t kReset = 0xff;
  /// SuppressEoiBroadcast is reserved where the version register does not offer it.
  static constexpr auto kWritable = static_cast<uint32_t>(kMaskOf<Vector, Enable, FocusDisabled>);
};
static_assert(sizeof(Svr) == 4);
static_assert(kPartition<uint32_t, Svr::Vector, Svr::Enable, Svr::FocusDisabled, Svr::Reserved10,
                         Svr::SuppressEoiBroadcast, Svr::Reserved13>);

/// The version register.
struct LapicVersion : RegisterValue<uint32_t> {
  using RegisterValue::RegisterValue;
  using Version = Bits<7, 0, uint8_t>;
  using Reserved8 = Bits<15, 8>;
  using MaxLvt = Bits<23, 16, uint8_t>;
  using CanSuppressEoiBroadcast = Bits<24>;
  using Reserved25 = Bits<31, 25>;
};
static_assert(sizeof(LapicVersion) == 4);
static_assert(
    kPartition<uint32_t, LapicVersion::Version, LapicVersion::Reserved8, LapicVersion::MaxLvt,
               LapicVersion::CanSuppressEoiBroadcast, LapicVersion::Reserved25>);

/// Error Status Register.
struct Esr : RegisterValue<uint32_t> {
  using RegisterValue::RegisterValue;
  using BusErrors = Bits<3, 0>;  ///< of the APIC bus that there is no more
  using RedirectableIpi = Bits<4>;
  using SendIllegalVector = Bits<5>;
  using ReceiveIllegalVector = Bits<6>;
  using IllegalRegisterAddress = Bits<7>;
  using Reserved8 = Bits<31, 8>;
};
static_assert(sizeof(Esr) == 4);
static_assert(kPartition<uint32_t, Esr::BusErrors, Esr::RedirectableIpi, Esr::SendIllegalVector,
                         Esr::ReceiveIllegalVector, Esr::IllegalRegisterAddress, Esr::Reserved8>);

/// Interrupt Command Register, 64 bits in both modes. xAPIC mode has 8 bits of destination, at the
/// top.
struct Icr : RegisterValue<uint64_t> {
  using RegisterValue::RegisterValue;
  using Vector = Bits<7, 0, uint8_t>;
  using Delivery = Bits<10, 8, DeliveryMode>;
  using Destination = Bits<11, 11, DestinationMode>;
  using Status = Bits<12>;  ///< reads 0: a message is sent when the write is done
  using Reserved13 = Bits<13>;
  using Level = Bits<14>;
  using Trigger = Bits<15, 15, TriggerMode>;
  using Reserved16 = Bits<17, 16>;
  using DestinationShorthand = Bits<19, 18, Shorthand>;
  using Reserved20 = Bits<31, 20>;
  using DestinationId = Bits<63, 32, uint32_t>;
  using XapicDestinationId = Bits<63, 56, uint32_t>;
  static constexpr uint64_t kWritable =
      kMaskOf<Vector, Delivery, Destination, Level, Trigger, DestinationShorthand, DestinationId>;
  static constexpr uint64_t kXapicWritable =
      (kWritable & ~DestinationId::kMask) | XapicDestinationId::kMask;
};
static_assert(sizeof(Icr) == 8);
static_assert(kPartition<uint64_t, Icr::Vector, Icr::Delivery, Icr::Destination, Icr::Status,
                         Icr::Reserved13, Icr::Level, Icr::Trigger, Icr::Reserved16,
                         Icr::DestinationShorthand, Icr::Reserved20, Icr::DestinationId>);

/// LVT timer[18:17].
enum class TimerMode : uint8_t { kOneShot = 0, kPeriodic = 1, kTscDeadline = 2, kReserved = 3 };

/// An entry of the local vector table. Which of its fields exist depends on the entry.
struct Lvt : RegisterValue<uint32_t> {
  using RegisterValue::RegisterValue;
  using Vector = Bits<7, 0, uint8_t>;
  using Delivery = Bits<10, 8, DeliveryMode>;
  using Reserved11 = Bits<11>;
  using Status = Bits<12>;  ///< reads 0, as in the ICR
  using Polarity = Bits<13>;
  using RemoteIrr = Bits<14>;
  using Trigger = Bits<15, 15, TriggerMode>;
  using Mask = Bits<16>;
  using Mode = Bits<18, 17, TimerMode>;
  using Reserved19 = Bits<31, 19>;
  static constexpr uint32_t kReset = Mask::kMask;
};
static_assert(sizeof(Lvt) == 4);
static_assert(
    kPartition<uint32_t, Lvt::Vector, Lvt::Delivery, Lvt::Reserved11, Lvt::Status, Lvt::Polarity,
               Lvt::RemoteIrr, Lvt::Trigger, Lvt::Mask, Lvt::Mode, Lvt::Reserved19>);

inline constexpr unsigned kLvtCount = 6;
/// Whether it is an entry of the local vector table.
constexpr bool IsLvt(LapicReg reg) {
  return reg >= LapicReg::kLvtTimer && reg <= LapicReg::kLvtError;
}

/// The bits of an LVT entry that a guest can write. Without TSC-deadline, bit 18 is reserved.
constexpr uint32_t LvtWritable(LapicReg reg, bool tsc_deadline) {
  constexpr uint64_t kAny = kMaskOf<Lvt::Vector, Lvt::Mask>;
  switch (reg) {
    case LapicReg::kLvtTimer:
      return static_cast<uint32_t>(kAny | (tsc_deadline ? Lvt::Mode::kMask : 1u << 17));
    case LapicReg::kLvtThermal:
    case LapicReg::kLvtPmc:
      return static_cast<uint32_t>(kAny | Lvt::Delivery::kMask);
    case LapicReg::kLvtLint0:
    case LapicReg::kLvtLint1:
      return static_cast<uint32_t>(kAny | kMaskOf<Lvt::Delivery, Lvt::Polarity, Lvt::Trigger>);
    default:
      return static_cast<uint32_t>(kAny);
  }
}

/// The bits of an LVT entry that a guest can read but not write.
constexpr uint32_t LvtReadOnly(LapicReg reg) {
  const bool lint = reg == LapicReg::kLvtLint0 || reg == LapicReg::kLvtLint1;
  return static_cast<uint32_t>(Lvt::Status::kMask | (lint ? Lvt::RemoteIrr::kMask : 0));
}

/// Divide Configuration Register: the divider is spread over bits 3, 1 and 0.
struct DivideConfiguration : RegisterValue<uint32_t> {
  using RegisterValue::RegisterValue;
  using Low = Bits<1, 0>;
  using Reserved2 = Bits<2>;
  using High = Bits<3>;
  using Reserved4 = Bits<31, 4>;
  static constexpr auto kWritable = static_cast<uint32_t>(kMaskOf<Low, High>);

  /// Input clocks per count: 2, 4, ... 128, then 1.
  constexpr uint32_t Divider() const {
    const uint32_t value = Get<Low>() | (Get<High>() ? 4u : 0u);
    return 1u << ((value + 1) & 7);
  }
};
static_assert(sizeof(DivideConfiguration) == 4);
static_assert(kPartition<uint32_t, DivideConfiguration::Low, DivideConfiguration::Reserved2,
                         DivideConfiguration::High, DivideConfiguration::Reserved4>);

inline constexpr uint32_t kXapicLdrWritable = 0xff000000;
inline constexpr uint32_t kDfrWritable = 0xf0000000;  ///< the other bits read 1

}  // namespace muster::apic
