#include <regex>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include <muster/vmm/report/trace_file.h>

namespace muster::vmm {
namespace {

using vcpu::Event;
using vcpu::EventKind;

Event At(uint64_t ns, EventKind kind, int cpu, uint64_t a = 0, uint64_t b = 0) {
  return Event{ns, kind, 0, cpu, a, b};
}

RunReport Report(std::vector<std::vector<Event>> events) {
  RunReport report;
  report.cpus = static_cast<int>(events.size());
  report.start_ns = 1'000;
  report.now_ns = 1'000'000;
  report.trace_events = 100;
  report.events = std::move(events);
  return report;
}

// The arrows as "phase track id", in the order of the file.
std::vector<std::string> Arrows(const std::string& text) {
  const std::regex arrow("\"tid\":(\\d+),\"ph\":\"([stf])\".*\"id\":(\\d+)");
  std::vector<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), arrow), end; it != end; ++it) {
    found.push_back((*it)[2].str() + " " + (*it)[1].str() + " " + (*it)[3].str());
  }
  return found;
}

using Strings = std::vector<std::string>;

TEST_CASE("an IPI is an arrow from its sender to its injection to its EOI") {
  const std::string text = ToTraceEvents(
      Report({{At(2'000, EventKind::kPost, 0, 0x40, 1)},
              {At(3'000, EventKind::kInject, 1, 0x40), At(4'500, EventKind::kEoi, 1, 0x40)}}));
  CHECK(Arrows(text) == Strings{"s 0 1", "t 1 1", "f 1 1"});
  CHECK(text.find("\"ts\":1.000,\"dur\":0.500,\"name\":\"IPI 0x40 to CPU 1\"") !=
        std::string::npos);
  CHECK(text.find("\"ts\":3.500,\"dur\":0.500,\"name\":\"EOI 0x40\"") != std::string::npos);
}

TEST_CASE("edges that merged all lead to the one injection") {
  const std::string text = ToTraceEvents(Report({{At(2'000, EventKind::kPost, 0, 0x40, 1)},
                                                 {At(5'000, EventKind::kInject, 1, 0x40)},
                                                 {At(3'000, EventKind::kPost, 2, 0x40, 1)}}));
  CHECK(Arrows(text) == Strings{"s 0 1", "s 2 2", "t 1 1", "t 1 2"});
}

TEST_CASE("a pin's message starts on the track of the devices, a timer's on its CPU's own") {
  RunReport report =
      Report({{At(3'000, EventKind::kInject, 0, 0x31), At(4'000, EventKind::kTimer, 0, 0x50),
               At(5'000, EventKind::kInject, 0, 0x50)}});
  report.outside_events = {At(2'000, EventKind::kPost, -1, 0x31 | 1 << 8 | 5 << 16, 0)};
  const std::string text = ToTraceEvents(report);
  CHECK(Arrows(text) == Strings{"s 1 1", "t 0 1", "s 0 2", "t 0 2"});
  CHECK(text.find("pin 5: 0x31 to CPU 0") != std::string::npos);
}

TEST_CASE("an interrupt that is posted and never taken is an arrow that goes nowhere") {
  const std::string text = ToTraceEvents(Report({{At(2'000, EventKind::kPost, 0, 0x40, 1)}, {}}));
  CHECK(Arrows(text) == Strings{"s 0 1"});
}

}  // namespace
}  // namespace muster::vmm
