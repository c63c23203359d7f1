#pragma once

#include <cstdint>

namespace muster::apic {

/// The encodings are those of the ICR, the LVT, a redirection entry and MSI data alike.
enum class DeliveryMode : uint8_t {
  kFixed = 0,
  kLowestPriority = 1,
  kSmi = 2,
  kReserved = 3,
  kNmi = 4,
  kInit = 5,
  kStartup = 6,
  kExtInt = 7,
};
/// How a destination names APICs: by id, or by logical id.
enum class DestinationMode : uint8_t { kPhysical = 0, kLogical = 1 };
/// Whether an interrupt is over once it is sent, or lasts until its EOI.
enum class TriggerMode : uint8_t { kEdge = 0, kLevel = 1 };
/// Whom an IPI is for, in place of a destination.
enum class Shorthand : uint8_t {
  kNone = 0,
  kSelf = 1,
  kAllIncludingSelf = 2,
  kAllExcludingSelf = 3
};

/// Vectors below this are reserved for exceptions: no APIC sends or accepts them.
inline constexpr uint8_t kFirstLegalVector = 16;

/// What travels between APICs: an IPI, an interrupt of an I/O APIC, an MSI.
struct Message {
  uint32_t destination = 0;
  /// The destination has 32 bits, as a sender in x2APIC mode writes it; else 8.
  bool x2apic = false;
  DestinationMode destination_mode = DestinationMode::kPhysical;
  DeliveryMode delivery_mode = DeliveryMode::kFixed;
  TriggerMode trigger_mode = TriggerMode::kEdge;
  bool level = true;  ///< asserted
  uint8_t vector = 0;

  bool operator==(const Message&) const = default;
};

/// An interprocessor interrupt. With a shorthand, the message's destination means nothing.
struct Ipi {
  Message message;
  Shorthand shorthand = Shorthand::kNone;

  bool operator==(const Ipi&) const = default;
};

}  // namespace muster::apic
