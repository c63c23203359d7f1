#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <muster/apic/ioapic.h>
#include <muster/vcpu/run/inspection.h>

namespace muster::vmm {

// A level-triggered pin of the I/O APIC that sends nothing before its EOI: Remote IRR is set.
struct WaitingPin {
  unsigned pin = 0;
  uint8_t vector = 0;        // as its entry has it now
  std::vector<int> holders;  // CPUs that have it in IRR, ISR or the mailbox: an EOI is to come

  bool operator==(const WaitingPin&) const = default;
};

std::vector<WaitingPin> PinsAwaitingEoi(const apic::IoApic& ioapic,
                                        const std::vector<vcpu::Inspection>& vcpus);

// A line each, the stuck ones, of which nobody holds the vector, first; "" where there is none.
std::string RenderPins(const std::vector<WaitingPin>& pins);

}  // namespace muster::vmm
