#include <algorithm>
#include <fmt/format.h>

#include <muster/vmm/stress/steps.h>

namespace muster::vmm {
namespace {

using vcpu::Event;
using vcpu::EventKind;

// What others see of it; "" for what only the machine sees.
std::string Describe(const Event& event) {
  switch (event.kind) {
    case EventKind::kPost:
      if ((event.a & vcpu::kPostedExtInt) != 0) return fmt::format("ExtINT to {}", event.b);
      return fmt::format("IPI {:02x} to {}", event.a & 0xff, event.b);
    case EventKind::kExtInt:
    case EventKind::kInject:
      return fmt::format("takes {:02x}", event.a);
    case EventKind::kNmi:
      return "takes NMI";
    case EventKind::kEoi:
      return fmt::format("EOI {:02x}", event.a);
    case EventKind::kTimer:
      return fmt::format("timer {:02x}", event.a);
    case EventKind::kInit:
      return "INIT";
    case EventKind::kSipi:
      return "SIPI";
    case EventKind::kExit:
    case EventKind::kMeet:
    case EventKind::kState:
      return "";
  }
  return "";
}

// One write to the ICR is an event for each target.
bool IsSameIpi(const Event& event, const Event& next) {
  return event.kind == EventKind::kPost && next.kind == EventKind::kPost && event.a == next.a &&
         event.rip == next.rip;
}

void AddEvents(const std::vector<Event>& events, uint64_t from_ns, std::vector<Step>& steps) {
  for (size_t i = 0; i < events.size(); ++i) {
    const Event& event = events[i];
    std::string what = Describe(event);
    if (event.ns < from_ns || what.empty()) continue;
    for (; i + 1 < events.size() && IsSameIpi(event, events[i + 1]); ++i) {
      what += fmt::format(" {}", events[i + 1].b);
    }
    steps.push_back({event.ns, event.cpu, std::move(what), event.rip});
  }
}

}  // namespace

std::vector<Step> StepsOf(const Variant& variant, const RunRecord& record) {
  std::vector<Step> steps;
  for (const Arrival& arrival : record.arrivals) {
    // The OUT is done: RIP is past it.
    steps.push_back({arrival.ns, arrival.visit.cpu,
                     arrival.visit.gate + (arrival.held ? " (held)" : ""), arrival.rip - 1});
  }
  for (size_t i = 0; i < record.holds.size(); ++i) {
    const HoldEnd& end = record.holds[i];
    if (end.ns == 0) continue;  // those it was to wait for had come before it
    const bool forced = end.how == HoldEnd::How::kForced;
    steps.push_back(
        {end.ns, variant.holds[i].at.cpu, forced ? "let go: nobody can move" : "let go", 0});
  }
  const uint64_t from_ns = record.arrivals.empty() ? 0 : record.arrivals.front().ns;
  for (const std::vector<Event>& events : record.events) AddEvents(events, from_ns, steps);
  std::stable_sort(steps.begin(), steps.end(),
                   [](const Step& a, const Step& b) { return a.ns < b.ns; });
  constexpr size_t kMostWithoutGates = 60;
  if (record.arrivals.empty() && steps.size() > kMostWithoutGates) {
    steps.erase(steps.begin(), steps.end() - kMostWithoutGates);
  }
  return steps;
}

}  // namespace muster::vmm
