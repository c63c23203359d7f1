#pragma once

#include <cstdint>
#include <optional>

#include <muster/apic/message.h>

namespace muster::apic {

/// An MSI as a device writes it (SDM, "Message Signalled Interrupts").
struct Msi {
  uint64_t address = 0;
  uint32_t data = 0;

  bool operator==(const Msi&) const = default;
};

/// None if the address is not in the range of MSIs, 0xfee00000 to 0xfeefffff. The redirection hint
/// is not acted upon: the delivery mode alone asks for the lowest priority.
std::optional<Message> ToMessage(const Msi& msi);

/// The destination's low 8 bits are all that an MSI holds.
Msi ToMsi(const Message& message);

}  // namespace muster::apic
