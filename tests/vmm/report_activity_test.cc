// What each vCPU did, and the picture of them coming up.
#include <algorithm>

#include <catch2/catch.hpp>

#include <muster/vmm/report/activity.h>
#include <muster/vmm/report/timeline.h>

#include "report_fixture.h"

namespace muster::vmm {
namespace {

using testing::Cpu;
using testing::kMs;
using testing::Report;
using testing::State;
using vcpu::Event;
using vcpu::EventKind;
using vcpu::Inspection;
using vcpu::RunState;

TEST_CASE("activity: neighbours that did the same share a row, and all are summed") {
  std::vector<Inspection> vcpus;
  for (int cpu = 0; cpu < 40; ++cpu) {
    vcpus.push_back(Cpu(cpu, RunState::kHalted));
    vcpus.back().counters.entries = 1;
    vcpus.back().counters.ipis_sent = cpu == 0 ? 2'500'000 : 0;
  }
  const std::string text = RenderActivity(Report(vcpus), Style());
  CHECK(text.find("\n     0      1") != std::string::npos);
  CHECK(text.find("2.5M") != std::string::npos);
  CHECK(text.find("\n  1-39      1") != std::string::npos);
  CHECK(text.find("\n   all     40") != std::string::npos);
  CHECK(text.find("rest") == std::string::npos);
}

TEST_CASE("activity: what there is no room for is summed") {
  std::vector<Inspection> vcpus;
  for (int cpu = 0; cpu < 40; ++cpu) {
    vcpus.push_back(Cpu(cpu, RunState::kHalted));
    vcpus.back().counters.entries = static_cast<uint64_t>(cpu + 1);
  }
  const std::string text = RenderActivity(Report(vcpus), Style());
  CHECK(text.find("\n    31     32") != std::string::npos);
  CHECK(text.find("\n    32 ") == std::string::npos);
  CHECK(text.find("\n  rest    292") != std::string::npos);  // 33 + ... + 40
  CHECK(text.find("\n   all    820") != std::string::npos);
}

TEST_CASE("spans follow the state events and fill the time around them") {
  const std::vector<Event> events = {
      State(20, 0, RunState::kWaitForSipi, RunState::kRunning),
      {25, EventKind::kExit, 0, 0, 1, 2},
      State(30, 0, RunState::kRunning, RunState::kHalted),
  };
  const std::vector<Span> spans = SpansOf(events, 10, 40, RunState::kHalted);
  REQUIRE(spans.size() == 3);
  CHECK((spans[0].begin_ns == 10 && spans[0].end_ns == 20));
  CHECK(spans[0].state == RunState::kWaitForSipi);
  CHECK((spans[1].end_ns == 30 && spans[1].state == RunState::kRunning));
  CHECK((spans[2].end_ns == 40 && spans[2].state == RunState::kHalted));
  REQUIRE(SpansOf({}, 10, 40, RunState::kRunning).size() == 1);
}

TEST_CASE("the picture of the CPUs coming up") {
  RunReport report = Report({Cpu(0, RunState::kRunning), Cpu(1, RunState::kHalted)});
  const uint64_t t = report.start_ns;
  report.trace_events = 8;
  report.events = {{{t, EventKind::kExit, 0, 0, 0, 0}},
                   {State(t + 4 * kMs, 1, RunState::kWaitForSipi, RunState::kRunning),
                    State(t + 6 * kMs, 1, RunState::kRunning, RunState::kHalted)}};
  CHECK("\n" + RenderTimeline(report,
                              Style{.colour = false, .unicode = false, .terminal_width = 60}) ==
        R"(
          0       2 ms    4 ms    6 ms
          +-------+-------+-------+-------
  cpu 0   ################################
  cpu 1   ................########--------  SIPI at 4 ms
          # running   - halted   . waits for SIPI
)");
}

TEST_CASE("where the ring has wrapped, the picture leaves the beginning blank and says so") {
  RunReport report = Report({Cpu(0, RunState::kHalted)});
  report.trace_events = 1;
  report.events = {{State(report.start_ns + 5 * kMs, 0, RunState::kRunning, RunState::kHalted)}};
  const std::string text =
      RenderTimeline(report, Style{.colour = false, .unicode = false, .terminal_width = 60});
  CHECK(text.find("  cpu 0                   ----------------\n") != std::string::npos);
  CHECK(text.find("blank: more happened than is kept") != std::string::npos);
}

TEST_CASE("the picture has at most 32 rows, neighbours sharing them, and none without events") {
  std::vector<Inspection> vcpus;
  RunReport report;
  for (int cpu = 0; cpu < 100; ++cpu) vcpus.push_back(Cpu(cpu, RunState::kHalted));
  report = Report(vcpus);
  report.trace_events = 8;
  CHECK(RenderTimeline(report, Style()).empty());
  report.events.resize(100);
  report.events[7] = {State(report.start_ns + kMs, 7, RunState::kWaitForSipi, RunState::kRunning)};
  const std::string text = RenderTimeline(report, Style());
  CHECK(std::count(text.begin(), text.end(), '\n') == 2 + 25 + 1);
  CHECK(text.find("  96-99 ") != std::string::npos);
}

}  // namespace
}  // namespace muster::vmm
