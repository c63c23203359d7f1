#include <algorithm>
#include <bit>
#include <fmt/format.h>

#include <muster/vcpu/trace/event_ring.h>

namespace muster::vcpu {

const char* ToString(EventKind kind) {
  switch (kind) {
    case EventKind::kExit:
      return "exit";
    case EventKind::kPost:
      return "post";
    case EventKind::kInject:
      return "inject";
    case EventKind::kNmi:
      return "nmi";
    case EventKind::kEoi:
      return "eoi";
    case EventKind::kMeet:
      return "meet";
    case EventKind::kState:
      return "state";
    case EventKind::kTimer:
      return "timer";
    case EventKind::kInit:
      return "init";
    case EventKind::kSipi:
      return "sipi";
    case EventKind::kExtInt:
      return "extint";
  }
  return "unknown";
}

std::string ToString(const Event& event) {
  std::string head = fmt::format("{}.{:09} cpu {} {}", event.ns / 1'000'000'000,
                                 event.ns % 1'000'000'000, event.cpu, ToString(event.kind));
  switch (event.kind) {
    case EventKind::kNmi:
    case EventKind::kMeet:
    case EventKind::kInit:
      return head;
    case EventKind::kExit:
      return fmt::format("{} reason {} {:#x}", head, event.a, event.b);
    case EventKind::kPost:
      if ((event.a & kPostedExtInt) != 0) return fmt::format("{} extint to {}", head, event.b);
      return fmt::format("{} vector {:#04x} to {}", head, event.a & 0xff, event.b);
    case EventKind::kInject:
    case EventKind::kExtInt:
    case EventKind::kEoi:
    case EventKind::kSipi:
    case EventKind::kTimer:
      return fmt::format("{} vector {:#04x}", head, event.a);
    case EventKind::kState:
      return fmt::format("{} {} to {}", head, event.a, event.b);
  }
  return head;
}

EventRing::EventRing(size_t capacity) {
  if (capacity == 0) return;
  capacity = std::bit_ceil(capacity);
  mask_ = capacity - 1;
  slots_ = std::make_unique<Event[]>(capacity);
}

std::vector<Event> EventRing::Snapshot(uint64_t most) const {
  std::vector<Event> events;
  if (!enabled()) return events;
  const uint64_t held = std::min({next_, mask_ + 1, most});
  events.reserve(held);
  for (uint64_t i = next_ - held; i != next_; ++i) events.push_back(slots_[i & mask_]);
  return events;
}

}  // namespace muster::vcpu
