#include <optional>
#include <vector>

#include <muster/vcpu/irq/fabric.h>
#include <muster/vcpu/irq/shared_ioapic.h>

namespace muster::vcpu {

using apic::DeliveryMode;
using apic::IoApicEffects;
using apic::PinMessage;
using apic::Rte;
using apic::TriggerMode;

template <typename Change>
absl::Status SharedIoApic::Apply(int source, Change&& change, uint64_t ns) {
  std::optional<apic::RoutingChange> rerouted;
  rendezvous::CpuSet receivers;
  std::vector<PinMessage> meetings;
  const uint64_t now = ns != 0 ? ns : fabric_.NowIfRecorded();
  {
    sync::MutexLock lock(mutex_);
    IoApicEffects effects = change(ioapic_);
    for (const PinMessage& sent : effects.messages) {
      if (sent.message.delivery_mode == DeliveryMode::kInit) {
        meetings.push_back(sent);
        continue;
      }
      const rendezvous::CpuSet takers = fabric_.Takers(sent.message);
      const bool level = sent.message.trigger_mode == TriggerMode::kLevel;
      if (level) pins_[sent.pin].takers = takers;
      pins_[sent.pin].receivers |= takers;
      if (takers.Empty()) {
        if (level) ioapic_.Unaccepted(sent.pin);  // there will be no EOI
        continue;
      }
      // Without INIT and SIPI, nothing that can fail or wait.
      (void)fabric_.SendFromPin(source, now, sent, takers);
    }
    rerouted = effects.rerouted;
    if (rerouted) receivers = BeginReroute(pins_[rerouted->pin]);
  }
  for (const PinMessage& meeting : meetings) {
    const absl::Status status =
        fabric_.SendFromPin(source, now, meeting, fabric_.Takers(meeting.message));
    if (!status.ok()) return status;
  }
  if (!rerouted) return absl::OkStatus();
  // Where the old entry has sent nothing, nothing of it is on its way.
  if (!receivers.Empty()) {
    const absl::Status status = fabric_.Reroute(source, *rerouted, receivers);
    sync::MutexLock lock(mutex_);
    EndReroute(pins_[rerouted->pin], receivers, status.ok());
    if (!status.ok()) return status;
  }
  return Evaluate(source, rerouted->pin);
}

rendezvous::CpuSet SharedIoApic::BeginReroute(Pin& pin) {
  const rendezvous::CpuSet receivers = pin.receivers | pin.being_met;
  pin.receivers = {};
  if (receivers.Empty()) return receivers;
  pin.being_met = receivers;
  ++pin.writers;
  return receivers;
}

void SharedIoApic::EndReroute(Pin& pin, const rendezvous::CpuSet& receivers, bool met) {
  if (!met) pin.receivers |= receivers;  // for the next writer
  if (--pin.writers == 0) pin.being_met = {};
}

absl::Status SharedIoApic::Evaluate(int source, unsigned pin) {
  return Apply(source, [=](apic::IoApic& ioapic) { return ioapic.Evaluate(pin); });
}

absl::Status SharedIoApic::SetLine(int source, unsigned pin, bool asserted) {
  return Apply(source, [=](apic::IoApic& ioapic) { return ioapic.SetLine(pin, asserted); });
}

void SharedIoApic::Read(uint32_t offset, std::span<uint8_t> data) {
  sync::MutexLock lock(mutex_);
  ioapic_.MmioRead(offset, data);
}

absl::Status SharedIoApic::Write(int source, uint32_t offset, std::span<const uint8_t> data) {
  return Apply(source, [=](apic::IoApic& ioapic) { return ioapic.MmioWrite(offset, data); });
}

absl::Status SharedIoApic::Eoi(int source, uint8_t vector) {
  return Apply(source, [=](apic::IoApic& ioapic) { return ioapic.Eoi(vector); });
}

void SharedIoApic::Discarded(int cpu, uint8_t vector, uint64_t ns) {
  const auto change = [&](apic::IoApic& ioapic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    IoApicEffects effects;
    for (unsigned pin = 0; pin < ioapic.pins(); ++pin) {
      if (!ioapic.AwaitsEoi(pin, vector) || !WasTheLast(cpu, pin)) continue;
      ioapic.Unaccepted(pin);
      // Of those that the entry names, arbitration leaves out who has just been disabled. A fixed
      // interrupt would come back to the same, and be discarded for ever; so would a vector that
      // also an enabled APIC discards.
      const Rte entry = ioapic.entry(pin);
      if (entry.Get<Rte::Delivery>() != DeliveryMode::kLowestPriority ||
          entry.Get<Rte::Vector>() < apic::kFirstLegalVector) {
        continue;
      }
      for (const PinMessage& again : ioapic.Evaluate(pin).messages) {
        effects.messages.push_back(again);
      }
    }
    return effects;
  };
  // No INIT and no change of routing: nothing that can fail.
  (void)Apply(cpu, change, ns);
}

void SharedIoApic::Removed(int cpu) {
  const auto change = [&](apic::IoApic& ioapic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    IoApicEffects effects;
    for (unsigned pin = 0; pin < ioapic.pins(); ++pin) {
      pins_[pin].receivers.Remove(cpu);
      if (!WasTheLast(cpu, pin)) continue;
      ioapic.Unaccepted(pin);
      for (const PinMessage& again : ioapic.Evaluate(pin).messages) {
        effects.messages.push_back(again);
      }
    }
    return effects;
  };
  // As in Discarded.
  (void)Apply(cpu, change);
}

bool SharedIoApic::WasTheLast(int cpu, unsigned pin) {
  rendezvous::CpuSet& takers = pins_[pin].takers;
  if (!takers.Contains(cpu)) return false;
  takers.Remove(cpu);
  return takers.Empty();
}

absl::Status SharedIoApic::Retry(int source) {
  return Apply(source, [](apic::IoApic& ioapic) { return ioapic.Retry(); });
}

void SharedIoApic::Reset() {
  sync::MutexLock lock(mutex_);
  ioapic_.Reset();
  for (Pin& pin : pins_) pin.takers = pin.receivers = {};
}

apic::IoApic SharedIoApic::Snapshot() const {
  sync::MutexLock lock(mutex_);
  return ioapic_;
}

}  // namespace muster::vcpu
