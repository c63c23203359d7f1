// Whom a change of an I/O APIC entry's routing meets.

#include <absl/status/status.h>
#include <map>

#include <catch2/catch.hpp>

#include "fabric_bench.h"

namespace muster::vcpu {
namespace {

constexpr uint32_t kLogical = 1u << 11;
constexpr uint32_t kLowest = 1u << 8;
constexpr uint32_t kVector = 0x40, kOther = 0x41, kThird = 0x42;

struct Edges : Pins {
  using Pins::Pins;
  void Edge() {
    REQUIRE(fabric.ioapic().SetLine(kOutside, kPin, true).ok());
    REQUIRE(fabric.ioapic().SetLine(kOutside, kPin, false).ok());
  }
  // One store: the low half of the entry.
  absl::Status Change(uint32_t low) {
    uint8_t bytes[4];
    memcpy(bytes, &low, sizeof(low));
    return fabric.ioapic().Write(kOutside, apic::kIoWin, bytes);
  }
  CpuSet Met() { return std::exchange(sink.taken, CpuSet()); }
};

TEST_CASE("a change of routing meets nobody where the entry has sent nothing", "[reroute]") {
  Edges pins(4);
  pins.Route(kVector, 1);
  CHECK(pins.Met().Empty());
  pins.Edge();
  REQUIRE(pins.Change(kOther).ok());
  CHECK(pins.Met() == CpuSet{1});
  REQUIRE(pins.Change(kVector).ok());
  CHECK(pins.Met().Empty());
}

TEST_CASE("a change of routing meets who got a message, not who would get it by now", "[reroute]") {
  Edges pins(4);
  pins.Route(kVector | kLogical, 1u << 1);
  pins.Edge();
  REQUIRE(pins.sink.posted() == CpuSet{1});
  Identity elsewhere = pins.fabric.table().identity(1);
  elsewhere.ldr = 1u << 31;
  pins.fabric.table().Publish(1, elsewhere);
  Identity instead = pins.fabric.table().identity(2);
  instead.ldr = 1u << 25;
  pins.fabric.table().Publish(2, instead);
  REQUIRE(pins.Change(kOther | kLogical).ok());
  CHECK(pins.Met() == CpuSet{1, 2});  // the second by the new entry
}

TEST_CASE("a change of routing meets a CPU that has disabled its APIC since", "[reroute]") {
  Edges pins(4);
  pins.Route(kVector | kLogical, 1u << 1);
  pins.Edge();
  pins.fabric.table().Publish(1, Identity{.id = 1, .mode = ApicMode::kDisabled});
  REQUIRE(pins.Change(kOther | kLogical).ok());
  CHECK(pins.Met() == CpuSet{1});
}

TEST_CASE("of those that a lowest-priority entry names a change meets who was chosen",
          "[reroute]") {
  Edges pins(4);
  pins.Route(kVector | kLogical | kLowest, 0xf);
  pins.Edge();
  const CpuSet chosen = pins.sink.posted();
  REQUIRE(chosen.Count() == 1);
  pins.Route(kOther | kLogical, 0);  // nobody
  CHECK(pins.Met() == chosen);
}

TEST_CASE("of two that change one entry at a time the second meets whom the first still has to",
          "[reroute]") {
  Edges pins(4);
  pins.Route(kVector, 1);
  pins.Edge();
  CpuSet by_second;
  pins.sink.at_take_mail = [&] {
    pins.sink.taken = {};
    const absl::Status status = pins.Change(kThird);
    by_second = pins.Met();
    return status;
  };
  REQUIRE(pins.Change(kOther).ok());
  CHECK(by_second == CpuSet{1});
  REQUIRE(pins.Change(kVector).ok());
  CHECK(pins.Met().Empty());
}

TEST_CASE("what is sent while a change of routing meets is met by the next", "[reroute]") {
  Edges pins(4);
  pins.Route(kVector, 1);
  pins.Edge();
  pins.sink.at_take_mail = [&] {
    pins.Edge();
    return absl::OkStatus();
  };
  REQUIRE(pins.Change(kOther).ok());
  CHECK(pins.Met() == CpuSet{1});
  REQUIRE(pins.Change(kVector).ok());
  CHECK(pins.Met() == CpuSet{1});
}

TEST_CASE("a meeting that failed is held by the next change of routing", "[reroute]") {
  Edges pins(4);
  pins.Route(kVector, 1);
  pins.Edge();
  pins.sink.at_take_mail = [] { return absl::CancelledError("stopped"); };
  CHECK(pins.Change(kOther).code() == absl::StatusCode::kCancelled);
  pins.sink.taken = {};
  REQUIRE(pins.Change(kVector).ok());
  CHECK(pins.Met() == CpuSet{1});
}

TEST_CASE("a CPU that was taken out is not met for what it was sent", "[reroute]") {
  Edges pins(4);
  pins.Route(kVector | kLogical, 3u << 1);
  pins.Edge();
  pins.Remove(2);
  REQUIRE(pins.Change(kOther | kLogical).ok());
  CHECK(pins.Met() == CpuSet{1});
}

}  // namespace
}  // namespace muster::vcpu
