// The last events of each vCPU.
#include <algorithm>

#include <catch2/catch.hpp>

#include <muster/vmm/report/last_events.h>

#include "report_fixture.h"

namespace muster::vmm {
namespace {

using testing::At;
using testing::Cpu;
using testing::kMs;
using testing::Mixed;
using testing::Report;
using vcpu::EventKind;
using vcpu::Inspection;
using vcpu::RunState;

TEST_CASE("the last six events of each CPU, repeats counted, CPUs that did the same in one row") {
  RunReport report = Mixed();
  const uint64_t t = report.now_ns;
  for (uint64_t i = 40; i > 9; --i) {
    report.vcpus[0].last_events.push_back(At(t - i * kMs, EventKind::kExit, 2, 0x3f8));
  }
  report.vcpus[0].last_events.push_back(At(t - 8 * kMs, EventKind::kPost, 0x141, 2));
  report.vcpus[0].last_events.push_back(At(t - 7 * kMs, EventKind::kInject, 0x30));
  report.vcpus[0].last_events.push_back(At(t - 6 * kMs, EventKind::kExit, 6, 0xfee000b0));
  report.vcpus[0].last_events.push_back(At(t - 6 * kMs, EventKind::kEoi, 0x30));
  report.vcpus[0].last_events.push_back(At(t - 5 * kMs, EventKind::kExit, 5));
  for (size_t cpu : {1, 2}) {
    report.vcpus[cpu].last_events = {
        At(t - cpu * kMs, EventKind::kState, 1, static_cast<uint64_t>(RunState::kHalted))};
  }
  CHECK(RenderLastEvents(report, Style()) == R"(
  CPU   AGO  LAST EVENTS, THE NEWEST AT THE END
    0  5 ms  port 3f8 x31, post 41 to 2, inject 30, mmio fee000b0, EOI 30, hlt
  1-2  1 ms  halted
)");
  report.vcpus[0].last_events.push_back(At(t - 4 * kMs, EventKind::kNmi));
  CHECK(RenderLastEvents(report, Style()).find("port 3f8") == std::string::npos);
}

TEST_CASE("the last events of many CPUs, each another, fit a screen") {
  std::vector<Inspection> vcpus;
  for (int cpu = 0; cpu < 1024; ++cpu) {
    vcpus.push_back(Cpu(cpu, RunState::kHalted));
    for (uint64_t i = 0; i < vcpu::kLastEvents; ++i) {
      vcpus.back().last_events.push_back(
          At(i, EventKind::kPost, i, static_cast<uint64_t>(cpu) << 40));
    }
  }
  const std::string text = RenderLastEvents(Report(vcpus), Style());
  CHECK(std::count(text.begin(), text.end(), '\n') == 1 + 1 + 24 + 1);
  CHECK(text.find("and 1000 more CPUs") != std::string::npos);
  for (size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    CHECK(end - at <= 120);
  }
}

TEST_CASE("no table of last events where none were recorded") {
  CHECK(RenderLastEvents(Mixed(), Style()).empty());
}

}  // namespace
}  // namespace muster::vmm
