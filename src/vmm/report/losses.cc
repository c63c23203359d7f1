#include <fmt/format.h>
#include <fmt/ranges.h>
#include <vector>

#include <muster/vmm/report/losses.h>

namespace muster::vmm {
namespace {

struct Part {
  uint64_t count;
  const char* what;
};

std::string Line(const char* whose, std::initializer_list<Part> parts) {
  std::vector<std::string> shown;
  for (const Part& part : parts) {
    if (part.count != 0) shown.push_back(fmt::format("{} {}", part.count, part.what));
  }
  return shown.empty() ? "" : fmt::format("  {}: {}\n", whose, fmt::join(shown, ", "));
}

}  // namespace

std::string RenderLosses(const RunReport& report) {
  apic::LapicCounters lapics;
  uint64_t smis = 0, sipis = 0, discarded = 0, extints = 0;
  for (const vcpu::Inspection& vcpu : report.vcpus) {
    lapics.illegal_vectors += vcpu.lapic_counters.illegal_vectors;
    lapics.unsent_ipis += vcpu.lapic_counters.unsent_ipis;
    lapics.merged_periods += vcpu.lapic_counters.merged_periods;
    lapics.odd_accesses += vcpu.lapic_counters.odd_accesses;
    discarded += vcpu.counters.mail_discarded;
    extints += vcpu.counters.extints_discarded;
    smis += vcpu.counters.smis_dropped + vcpu.lapic_counters.smis;
    sipis += vcpu.counters.startups_dropped;
  }
  const apic::IoApicCounters& ioapic = report.ioapic_counters;
  return Line("local APICs", {{discarded, "interrupts discarded by CPUs that were disabled"},
                              {extints, "ExtINTs discarded by CPUs that were disabled"},
                              {lapics.illegal_vectors, "of illegal vectors"},
                              {lapics.unsent_ipis, "IPIs of invalid combinations"},
                              {sipis, "SIPIs to CPUs that did not wait for one"},
                              {smis, "SMIs dropped"},
                              {lapics.merged_periods, "timer periods merged into the next"},
                              {lapics.odd_accesses, "stores that are no access to a register"}}) +
         Line("I/O APIC", {{ioapic.lost_edges, "edges lost on masked pins"},
                           {ioapic.unaccepted, "levels that their destination discarded"},
                           {ioapic.unsent, "interrupts of reserved delivery modes"},
                           {ioapic.odd_accesses, "stores that are no access to a register"}}) +
         Line("soft resets", {{static_cast<uint64_t>(report.restarts), "that led to the image"}});
}

}  // namespace muster::vmm
