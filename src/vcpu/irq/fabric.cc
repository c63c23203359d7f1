#include <muster/vcpu/irq/fabric.h>

namespace muster::vcpu {

using apic::DeliveryMode;
using apic::Ipi;
using apic::Message;
using apic::Shorthand;
using rendezvous::CpuSet;

namespace {

// Hardware-disabled APICs hear no broadcast either.
constexpr Message kEverybody{.destination = 0xffffffff, .x2apic = true};

// Whom an entry of the I/O APIC sends to. Its destination has 8 bits.
Message Addressee(const apic::Rte& entry) {
  return {.destination = entry.Get<apic::Rte::Destination>(),
          .destination_mode = entry.Get<apic::Rte::Mode>()};
}

}  // namespace

absl::Status Fabric::Reroute(int source, const apic::RoutingChange& change,
                             const CpuSet& receivers) {
  return sink_.TakeMail(Origin::Pin(source, change.pin),
                        receivers | table_.Match(Addressee(change.after)));
}

absl::Status Fabric::SendIpi(int source, const Ipi& ipi) {
  const Origin origin = Origin::Ipi(source);
  switch (ipi.shorthand) {
    case Shorthand::kNone:
      return Route(origin, ipi.message, table_.Match(ipi.message));
    case Shorthand::kSelf:
      return Route(origin, ipi.message, CpuSet{source});
    case Shorthand::kAllIncludingSelf:
      return Route(origin, ipi.message, table_.Match(kEverybody));
    case Shorthand::kAllExcludingSelf:
      return Route(origin, ipi.message, table_.Match(kEverybody) - CpuSet{source});
  }
  return absl::OkStatus();
}

absl::Status Fabric::SendMessage(int source, const Message& message) {
  return Route(Origin{.kind = Origin::Kind::kMsi, .cpu = source}, message, table_.Match(message));
}

CpuSet Fabric::Narrow(const Message& message, const CpuSet& addressed) {
  if (message.delivery_mode != DeliveryMode::kLowestPriority) return addressed;
  const int cpu = table_.Arbitrate(addressed);
  return cpu >= 0 ? CpuSet{cpu} : CpuSet();
}

absl::Status Fabric::Send(const Origin& origin, const Message& message, const CpuSet& targets) {
  if (targets.Empty()) return absl::OkStatus();
  switch (message.delivery_mode) {
    case DeliveryMode::kFixed:
    case DeliveryMode::kLowestPriority:
      for (int cpu : targets) sink_.Post(origin, cpu, message.vector, message.trigger_mode);
      break;
    case DeliveryMode::kNmi:
      for (int cpu : targets) sink_.PostNmi(origin, cpu);
      break;
    case DeliveryMode::kSmi:
      for (int cpu : targets) sink_.PostSmi(cpu);
      break;
    case DeliveryMode::kInit:
      // INIT Level De-assert only sets arbitration ids, and those are gone (SDM "Interrupt Command
      // Register (ICR)", delivery mode 101).
      if (message.trigger_mode == apic::TriggerMode::kLevel && !message.level) break;
      return sink_.Init(origin, targets);
    case DeliveryMode::kStartup:
      return sink_.Startup(origin, targets, message.vector);
    case DeliveryMode::kExtInt:
      for (int cpu : targets) sink_.PostExtInt(origin, cpu);
      break;
    case DeliveryMode::kReserved:  // no APIC sends it
      break;
  }
  return absl::OkStatus();
}

}  // namespace muster::vcpu
