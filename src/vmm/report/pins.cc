#include <algorithm>
#include <fmt/format.h>

#include <muster/vmm/report/pins.h>

namespace muster::vmm {
namespace {

constexpr size_t kMostLines = 8;

bool Has(const std::vector<uint8_t>& vectors, uint8_t vector) {
  return std::find(vectors.begin(), vectors.end(), vector) != vectors.end();
}

std::string Describe(const WaitingPin& pin) {
  const std::string what =
      fmt::format("  I/O APIC pin {}: Remote IRR is set for vector {:02x}", pin.pin, pin.vector);
  if (pin.holders.empty()) return what + ", which no CPU has: stuck\n";
  return fmt::format("{} until the EOI of CPU {}{}\n", what, pin.holders.front(),
                     pin.holders.size() > 1
                         ? fmt::format(" or of {} others that have it", pin.holders.size() - 1)
                         : "");
}

}  // namespace

std::vector<WaitingPin> PinsAwaitingEoi(const apic::IoApic& ioapic,
                                        const std::vector<vcpu::Inspection>& vcpus) {
  std::vector<WaitingPin> pins;
  for (unsigned pin = 0; pin < ioapic.pins(); ++pin) {
    const apic::Rte entry = ioapic.entry(pin);
    if (entry.Get<apic::Rte::Trigger>() != apic::TriggerMode::kLevel ||
        !entry.Get<apic::Rte::RemoteIrr>()) {
      continue;
    }
    WaitingPin waiting{pin, entry.Get<apic::Rte::Vector>(), {}};
    for (const vcpu::Inspection& vcpu : vcpus) {
      if (Has(vcpu.irr, waiting.vector) || Has(vcpu.isr, waiting.vector) ||
          Has(vcpu.mailbox, waiting.vector)) {
        waiting.holders.push_back(vcpu.cpu);
      }
    }
    pins.push_back(std::move(waiting));
  }
  return pins;
}

std::string RenderPins(const std::vector<WaitingPin>& pins) {
  std::vector<WaitingPin> sorted = pins;
  std::stable_partition(sorted.begin(), sorted.end(),
                        [](const WaitingPin& pin) { return pin.holders.empty(); });
  std::string text;
  for (size_t i = 0; i < std::min(sorted.size(), kMostLines); ++i) text += Describe(sorted[i]);
  if (sorted.size() > kMostLines) {
    text += fmt::format("  and {} more pins wait for an EOI\n", sorted.size() - kMostLines);
  }
  return text;
}

}  // namespace muster::vmm
