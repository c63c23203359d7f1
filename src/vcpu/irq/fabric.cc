#include <muster/vcpu/irq/fabric.h>

namespace muster::vcpu {

using apic::DeliveryMode;
using apic::Ipi;
using apic::Message;
using apic::Shorthand;
using rendezvous::CpuSet;

absl::Status Fabric::SendIpi(int source, const Ipi& ipi) {
  switch (ipi.shorthand) {
    case Shorthand::kNone:
      return Send(source, ipi.message, Match(ipi.message));
    case Shorthand::kSelf:
      return Send(source, ipi.message, CpuSet{source});
    case Shorthand::kAllIncludingSelf:
      return Send(source, ipi.message, CpuSet::FirstN(table_.cpus()));
    case Shorthand::kAllExcludingSelf:
      return Send(source, ipi.message, CpuSet::FirstN(table_.cpus()) - CpuSet{source});
  }
  return absl::OkStatus();
}

absl::Status Fabric::Send(int source, const Message& message, const CpuSet& targets) {
  switch (message.delivery_mode) {
    case DeliveryMode::kFixed:
      for (int cpu : targets) sink_.Post(cpu, message.vector, message.trigger_mode);
      break;
    case DeliveryMode::kLowestPriority:
      if (const int cpu = table_.Arbitrate(targets); cpu >= 0) {
        sink_.Post(cpu, message.vector, message.trigger_mode);
      }
      break;
    case DeliveryMode::kNmi:
      for (int cpu : targets) sink_.PostNmi(cpu);
      break;
    case DeliveryMode::kSmi:
      for (int cpu : targets) sink_.PostSmi(cpu);
      break;
    case DeliveryMode::kInit:
      // INIT Level De-assert only sets arbitration ids, and those are gone (SDM "Interrupt Command
      // Register (ICR)", delivery mode 101).
      if (message.trigger_mode == apic::TriggerMode::kLevel && !message.level) break;
      return targets.Empty() ? absl::OkStatus() : sink_.Init(source, targets);
    case DeliveryMode::kStartup:
      return targets.Empty() ? absl::OkStatus() : sink_.Startup(source, targets, message.vector);
    case DeliveryMode::kExtInt:
    case DeliveryMode::kReserved:
      // No APIC sends these as messages.
      break;
  }
  return absl::OkStatus();
}

}  // namespace muster::vcpu
