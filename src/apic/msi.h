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

/// Whether a write there is an MSI: 0xfee00000 to 0xfeefffff.
bool IsMsiAddress(uint64_t address);

/// None where the write sends nothing: to another address; in a delivery mode that MSIs do not
/// have, 011 or 110, so that no device starts a processor; or as the de-assertion of a fixed or
/// lowest-priority level, which has no effect without the bus that carried it. The other modes are
/// edges whatever the trigger mode says. The redirection hint is not acted upon: the delivery mode
/// alone asks for the lowest priority.
std::optional<Message> ToMessage(const Msi& msi);

/// The destination's low 8 bits are all that an MSI holds.
Msi ToMsi(const Message& message);

}  // namespace muster::apic
