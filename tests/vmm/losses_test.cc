#include <catch2/catch.hpp>

#include <muster/vmm/report/json.h>
#include <muster/vmm/report/losses.h>

namespace muster::vmm {
namespace {

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("interrupts that reached nobody are reported, and others are not") {
  RunReport report;
  report.vcpus.resize(2);
  CHECK(RenderLosses(report).empty());
  report.vcpus[0].counters.mail_discarded = 2;
  report.vcpus[1].counters.mail_discarded = 3;
  report.vcpus[1].lapic_counters.unsent_ipis = 1;
  report.vcpus[1].lapic_counters.accepted = 100;  // nothing was lost
  report.ioapic_counters.messages = 100;
  report.ioapic_counters.lost_edges = 7;
  report.restarts = 1;
  CHECK(RenderLosses(report) ==
        "  local APICs: 5 interrupts discarded by CPUs that were disabled, 1 IPIs of invalid "
        "combinations\n"
        "  I/O APIC: 7 edges lost on masked pins\n"
        "  soft resets: 1 that led to the image\n");
}

TEST_CASE("JSON has the counters of the APICs, the soft resets, and who woke") {
  RunReport report;
  report.vcpus.resize(1);
  report.vcpus[0].lapic_counters.merged_periods = 11;
  report.ioapic_counters.lost_edges = 12;
  report.restarts = 13;
  report.wake_ups = {.supervisor = 14, .timer = 15, .input = 16, .output = 17};
  const std::string json = ToJson(report);
  CHECK(Has(json, "\"merged_periods\": 11"));
  CHECK(Has(json, "\"lost_edges\": 12"));
  CHECK(Has(json, "\"restarts\": 13"));
  CHECK(
      Has(json, "\"supervisor\": 14,\n    \"timer\": 15,\n    \"input\": 16,\n    \"output\": 17"));
}

}  // namespace
}  // namespace muster::vmm
