#pragma once

#include <cstdint>

#include <muster/apic/bit_field.h>
#include <muster/apic/message.h>

// Registers of the I/O APIC: the 82093AA's data sheet, and the EOI register that version 0x20 adds
// (I/O Controller Hub data sheets, "APIC Registers").

namespace muster::apic {

inline constexpr uint64_t kDefaultIoApicBase = 0xfec00000;
inline constexpr uint32_t kIoApicPageSize = 0x1000;

/// Offsets in the page.
inline constexpr uint32_t kIoRegSel = 0x00;
inline constexpr uint32_t kIoWin = 0x10;
inline constexpr uint32_t kIoEoi = 0x40;

/// What IOREGSEL selects. Two registers for each entry, the low half first.
enum class IoApicReg : uint8_t { kId = 0, kVersion = 1, kArbitration = 2, kRedirection = 0x10 };

/// IOREGSEL has 8 bits: no register of a further entry could be selected.
inline constexpr unsigned kMaxIoApicPins =
    (0x100 - static_cast<unsigned>(IoApicReg::kRedirection)) / 2;
static_assert(kMaxIoApicPins == 120);

/// The identification register, and the arbitration register.
struct IoApicId : RegisterValue<uint32_t> {
  using RegisterValue::RegisterValue;
  using Reserved0 = Bits<23, 0>;
  using Id = Bits<27, 24>;
  using Reserved28 = Bits<31, 28>;
};
static_assert(sizeof(IoApicId) == 4);
static_assert(kPartition<uint32_t, IoApicId::Reserved0, IoApicId::Id, IoApicId::Reserved28>);

/// The version register.
struct IoApicVersion : RegisterValue<uint32_t> {
  using RegisterValue::RegisterValue;
  using Version = Bits<7, 0>;
  using Reserved8 = Bits<14, 8>;
  using HasPinAssertion = Bits<15>;
  using MaxEntry = Bits<23, 16>;
  using Reserved24 = Bits<31, 24>;
};
static_assert(sizeof(IoApicVersion) == 4);
static_assert(
    kPartition<uint32_t, IoApicVersion::Version, IoApicVersion::Reserved8,
               IoApicVersion::HasPinAssertion, IoApicVersion::MaxEntry, IoApicVersion::Reserved24>);

/// A redirection table entry.
struct Rte : RegisterValue<uint64_t> {
  using RegisterValue::RegisterValue;
  using Vector = Bits<7, 0, uint8_t>;
  using Delivery = Bits<10, 8, DeliveryMode>;
  using Mode = Bits<11, 11, DestinationMode>;
  using Status = Bits<12>;  ///< reads 0: a message is on its way as soon as there is one
  using ActiveLow = Bits<13>;
  using RemoteIrr = Bits<14>;
  using Trigger = Bits<15, 15, TriggerMode>;
  using Mask = Bits<16>;
  using Reserved17 = Bits<55, 17, uint64_t>;
  using Destination = Bits<63, 56>;
  static constexpr uint64_t kReset = Mask::kMask;
  static constexpr uint64_t kWritable =
      kMaskOf<Vector, Delivery, Mode, ActiveLow, Trigger, Mask, Destination>;
  /// Where an interrupt goes, and as what. The other bits say whether there is one.
  static constexpr uint64_t kRouting = kMaskOf<Vector, Delivery, Mode, Trigger, Destination>;
};
static_assert(sizeof(Rte) == 8);
static_assert(
    kPartition<uint64_t, Rte::Vector, Rte::Delivery, Rte::Mode, Rte::Status, Rte::ActiveLow,
               Rte::RemoteIrr, Rte::Trigger, Rte::Mask, Rte::Reserved17, Rte::Destination>);

}  // namespace muster::apic
