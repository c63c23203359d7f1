#include <catch2/catch.hpp>

#include <muster/vcpu/trace/event_ring.h>

namespace muster::vcpu {
namespace {

TEST_CASE("a ring of no capacity records nothing") {
  EventRing ring;
  ring.Record(1, EventKind::kExit, 0);
  CHECK_FALSE(ring.enabled());
  CHECK(ring.recorded() == 0);
  CHECK(ring.Snapshot().empty());
}

TEST_CASE("a snapshot holds what was recorded, oldest first") {
  EventRing ring(4);
  ring.Record(10, EventKind::kPost, 2, 0x31, 7);
  ring.Record(11, EventKind::kInject, 2, 0x32);
  const std::vector<Event> events = ring.Snapshot();
  REQUIRE(events.size() == 2);
  CHECK(events[0].ns == 10);
  CHECK(events[0].kind == EventKind::kPost);
  CHECK(events[0].cpu == 2);
  CHECK(events[0].a == 0x31);
  CHECK(events[0].b == 7);
  CHECK(events[1].kind == EventKind::kInject);
}

TEST_CASE("a full ring keeps the last events and counts all") {
  EventRing ring(3);  // rounded up to 4
  for (uint64_t ns = 0; ns < 10; ++ns) ring.Record(ns, EventKind::kExit, 0);
  CHECK(ring.recorded() == 10);
  const std::vector<Event> events = ring.Snapshot();
  REQUIRE(events.size() == 4);
  for (size_t i = 0; i < 4; ++i) CHECK(events[i].ns == 6 + i);
}

TEST_CASE("events are read as one line each") {
  CHECK(ToString(Event{1'000'000'002, EventKind::kPost, 0, 3, 0x31, 7}) ==
        "1.000000002 cpu 3 post vector 0x31 to 7");
  CHECK(ToString(Event{5, EventKind::kNmi, 0, 0, 0, 0}) == "0.000000005 cpu 0 nmi");
  CHECK(ToString(Event{5, EventKind::kExit, 0, 1, 2, 0x3f8}) ==
        "0.000000005 cpu 1 exit reason 2 0x3f8");
}

}  // namespace
}  // namespace muster::vcpu
