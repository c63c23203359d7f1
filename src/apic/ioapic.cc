#include <algorithm>

#include <muster/apic/ioapic.h>

namespace muster::apic {
namespace {

/// Fixed and lowest-priority interrupts know levels. The others are edges, whatever the entry says
/// (82093AA, "I/O Redirection Table Registers", Delivery Mode).
bool IsLevel(Rte entry) {
  const auto mode = entry.Get<Rte::Delivery>();
  return entry.Get<Rte::Trigger>() == TriggerMode::kLevel &&
         (mode == DeliveryMode::kFixed || mode == DeliveryMode::kLowestPriority);
}

Message MessageOf(Rte entry) {
  Message message;
  message.destination = entry.Get<Rte::Destination>();
  message.destination_mode = entry.Get<Rte::Mode>();
  message.delivery_mode = entry.Get<Rte::Delivery>();
  message.trigger_mode = IsLevel(entry) ? TriggerMode::kLevel : TriggerMode::kEdge;
  message.vector = entry.Get<Rte::Vector>();
  return message;
}

}  // namespace

IoApic::IoApic(const IoApicConfig& config)
    : initial_id_(config.id), pins_(std::clamp<unsigned>(config.pins, 1, kMaxIoApicPins)) {
  Reset();
}

void IoApic::Reset() {
  select_ = 0;
  id_.Set<IoApicId::Id>(initial_id_);
  arbitration_ = id_;
  for (Pin& pin : pins_) pin = Pin{.asserted = pin.asserted};
}

IoApicEffects IoApic::SetLine(unsigned pin, bool asserted) {
  IoApicEffects effects;
  if (pin >= pins()) return effects;
  Pin& p = pins_[pin];
  const bool rising = asserted && !p.asserted;
  p.asserted = asserted;
  if (IsLevel(p.entry)) {
    EvaluateLevel(pin, effects);
  } else if (rising) {
    if (p.entry.Get<Rte::Mask>()) {
      ++counters_.lost_edges;
    } else {
      Send(pin, effects);
    }
  }
  return effects;
}

IoApicEffects IoApic::Eoi(uint8_t vector) {
  IoApicEffects effects;
  for (unsigned pin = 0; pin < pins(); ++pin) {
    Rte& entry = pins_[pin].entry;
    if (entry.Get<Rte::Vector>() != vector) continue;
    entry.Set<Rte::RemoteIrr>(false);
    EvaluateLevel(pin, effects);
  }
  return effects;
}

void IoApic::Unaccepted(unsigned pin) {
  if (pin >= pins() || !pins_[pin].entry.Get<Rte::RemoteIrr>()) return;
  pins_[pin].entry.Set<Rte::RemoteIrr>(false);
  ++counters_.unaccepted;
}

bool IoApic::AwaitsEoi(unsigned pin, uint8_t vector) const {
  return pin < pins() && pins_[pin].entry.Get<Rte::RemoteIrr>() && pins_[pin].sent_vector == vector;
}

IoApicEffects IoApic::Retry() {
  IoApicEffects effects;
  for (unsigned pin = 0; pin < pins(); ++pin) EvaluateLevel(pin, effects);
  return effects;
}

IoApicEffects IoApic::Evaluate(unsigned pin) {
  IoApicEffects effects;
  if (pin < pins()) EvaluateLevel(pin, effects);
  return effects;
}

void IoApic::EvaluateLevel(unsigned pin, IoApicEffects& effects) {
  Pin& p = pins_[pin];
  if (!IsLevel(p.entry) || !p.asserted || p.entry.Get<Rte::Mask>() ||
      p.entry.Get<Rte::RemoteIrr>()) {
    return;
  }
  p.entry.Set<Rte::RemoteIrr>(true);
  p.sent_vector = p.entry.Get<Rte::Vector>();
  Send(pin, effects);
}

void IoApic::Send(unsigned pin, IoApicEffects& effects) {
  Pin& p = pins_[pin];
  const auto mode = p.entry.Get<Rte::Delivery>();
  if (mode == DeliveryMode::kReserved || mode == DeliveryMode::kStartup) {
    ++counters_.unsent;
    return;
  }
  ++counters_.messages;
  effects.messages.push_back({static_cast<uint8_t>(pin), MessageOf(p.entry)});
}

const char* IoApic::CheckInvariants() const {
  if ((id_.raw & ~IoApicId::Id::kMask) != 0) return "a reserved bit of the id is set";
  for (const Pin& pin : pins_) {
    if ((pin.entry.raw & ~(Rte::kWritable | Rte::RemoteIrr::kMask)) != 0) {
      return "a reserved bit of an entry is set";
    }
    if (pin.entry.Get<Rte::RemoteIrr>() && pin.entry.Get<Rte::Trigger>() == TriggerMode::kEdge) {
      return "an edge has a remote IRR";
    }
  }
  return nullptr;
}

}  // namespace muster::apic
