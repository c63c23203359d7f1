#include <muster/apic/lapic.h>

namespace muster::apic {
namespace {

/// SDM, "Valid Combinations for the Pentium 4 and Intel Xeon Processors Local xAPIC Interrupt
/// Command Register". An NMI to oneself is not among them, but guests send it, and processors
/// deliver it.
bool IsValid(DeliveryMode mode, Shorthand shorthand) {
  switch (mode) {
    case DeliveryMode::kFixed:
    case DeliveryMode::kNmi:
      return true;
    case DeliveryMode::kLowestPriority:
    case DeliveryMode::kSmi:
    case DeliveryMode::kInit:
    case DeliveryMode::kStartup:
      return shorthand == Shorthand::kNone || shorthand == Shorthand::kAllExcludingSelf;
    case DeliveryMode::kReserved:
    case DeliveryMode::kExtInt:
      return false;
  }
  return false;
}

}  // namespace

void Lapic::SendIpi(Effects& effects) {
  const auto mode = icr_.Get<Icr::Delivery>();
  const auto shorthand = icr_.Get<Icr::DestinationShorthand>();
  const auto vector = icr_.Get<Icr::Vector>();
  if (!IsValid(mode, shorthand)) {
    ++counters_.unsent_ipis;
    return;
  }
  if (mode == DeliveryMode::kInit && icr_.Get<Icr::Trigger>() == TriggerMode::kLevel &&
      !icr_.Get<Icr::Level>()) {
    return;  // INIT level de-assert: for the arbitration ids of the APIC bus, ignored since.
  }
  if (shorthand == Shorthand::kSelf) {
    if (mode == DeliveryMode::kNmi) {
      effects.nmi = true;
    } else {
      SendSelfIpi(vector);
    }
    return;
  }
  const bool carries_vector = mode == DeliveryMode::kFixed || mode == DeliveryMode::kLowestPriority;
  if (carries_vector && vector < kFirstLegalVector) {
    ++counters_.illegal_vectors;
    ReportError(Esr::SendIllegalVector::kMask);
    return;
  }

  Message message;
  message.x2apic = this->mode() == ApicMode::kX2apic;
  if (shorthand == Shorthand::kNone) {
    message.destination =
        message.x2apic ? icr_.Get<Icr::DestinationId>() : icr_.Get<Icr::XapicDestinationId>();
    message.destination_mode = icr_.Get<Icr::Destination>();
  }
  message.delivery_mode = mode;
  message.vector = vector;
  // All IPIs but INIT level de-assert are edges that assert, whatever the ICR says (SDM, "Interrupt
  // Command Register (ICR)").
  message.trigger_mode = TriggerMode::kEdge;
  message.level = true;
  effects.ipi = Ipi{message, shorthand};
}

void Lapic::SendSelfIpi(uint8_t vector) {
  if (vector >= kFirstLegalVector) {
    Accept(vector, TriggerMode::kEdge);
    return;
  }
  ++counters_.illegal_vectors;
  ReportError(kMaskOf<Esr::SendIllegalVector, Esr::ReceiveIllegalVector>);
}

}  // namespace muster::apic
