#include <map>

#include <catch2/catch.hpp>

#include <muster/vcpu/irq/fabric.h>

#include "fabric_bench.h"

namespace muster::vcpu {
namespace {

using apic::DeliveryMode;
using apic::DestinationMode;

TEST_CASE("a published identity is read back as it was") {
  RoutingTable table(3);
  const Identity identity{.id = 1'023,
                          .ldr = 0xfedcba98,
                          .model = LogicalModel::kCluster,
                          .mode = ApicMode::kX2apic,
                          .software_enabled = true};
  table.Publish(2, identity);
  CHECK(table.identity(2) == identity);
  table.Publish(2, Identity{.id = 5, .mode = ApicMode::kDisabled});
  CHECK(table.identity(2) == Identity{.id = 5, .mode = ApicMode::kDisabled});
}

TEST_CASE("a physical destination reaches one CPU") {
  Bus bus(4);
  bus.Send(0, {.destination = 2, .vector = 0x40});
  CHECK(bus.sink.posted() == CpuSet{2});
}

TEST_CASE("a physical destination that nobody has reaches nobody") {
  Bus bus(4);
  bus.Send(0, {.destination = 9, .vector = 0x40});
  CHECK(bus.sink.posts.empty());
}

TEST_CASE("broadcast reaches the sender too") {
  Bus bus(70);
  bus.Send(3, {.destination = 0xff, .vector = 0x40});
  CHECK(bus.sink.posted() == CpuSet::FirstN(70));
}

TEST_CASE("id 300 in xAPIC mode answers to 44, in x2APIC mode it does not") {
  Bus xapic(301, ApicMode::kXapic);
  xapic.Send(0, {.destination = 44, .vector = 0x40});
  CHECK(xapic.sink.posted() == CpuSet{44, 300});

  Bus x2apic(301, ApicMode::kX2apic);
  x2apic.Send(0, {.destination = 44, .x2apic = true, .vector = 0x40});
  CHECK(x2apic.sink.posted() == CpuSet{44});
  x2apic.Send(0, {.destination = 300, .x2apic = true, .vector = 0x40});
  CHECK(x2apic.sink.posted() == CpuSet{44, 300});
}

TEST_CASE("an x2APIC cluster destination reaches its members") {
  Bus bus(64, ApicMode::kX2apic);
  bus.Send(0, {.destination = 2u << 16 | 0x8001,
               .x2apic = true,
               .destination_mode = DestinationMode::kLogical,
               .vector = 0x40});
  CHECK(bus.sink.posted() == CpuSet{32, 47});
}

TEST_CASE("a flat logical destination reaches each CPU whose bit is set") {
  Bus bus(8);
  bus.Send(0, {.destination = 0x81, .destination_mode = DestinationMode::kLogical, .vector = 0x40});
  CHECK(bus.sink.posted() == CpuSet{0, 7});
}

TEST_CASE("shorthands") {
  Bus bus(5);
  bus.Send(2, {.vector = 0x40}, Shorthand::kAllExcludingSelf);
  CHECK(bus.sink.posted() == CpuSet{0, 1, 3, 4});
  bus.Send(2, {.vector = 0x40}, Shorthand::kAllIncludingSelf);
  CHECK(bus.sink.posts[2] == 1);
  CHECK(bus.sink.posts[0] == 2);
}

TEST_CASE("lowest priority goes to the CPU with the lowest priority class") {
  Bus bus(4);
  for (int cpu = 0; cpu < 4; ++cpu) bus.fabric.table().PublishPriority(cpu, 0x50);
  bus.fabric.table().PublishPriority(3, 0x4f);
  for (int i = 0; i < 8; ++i) {
    bus.Send(0,
             {.destination = 0xff, .delivery_mode = DeliveryMode::kLowestPriority, .vector = 0x60});
  }
  CHECK(bus.sink.posts == std::map<int, int>{{3, 8}});
}

TEST_CASE("lowest priority breaks ties by rotation") {
  Bus bus(4);
  for (int i = 0; i < 8; ++i) {
    bus.Send(0,
             {.destination = 0xff, .delivery_mode = DeliveryMode::kLowestPriority, .vector = 0x60});
  }
  CHECK(bus.sink.posts == std::map<int, int>{{0, 2}, {1, 2}, {2, 2}, {3, 2}});
}

TEST_CASE("lowest priority skips software-disabled APICs and is lost where all are") {
  Bus bus(2);
  const auto disable = [&](int cpu) {
    Identity identity = bus.fabric.table().identity(cpu);
    identity.software_enabled = false;
    bus.fabric.table().Publish(cpu, identity);
  };
  const Message message{
      .destination = 0xff, .delivery_mode = DeliveryMode::kLowestPriority, .vector = 0x60};
  disable(0);
  for (int i = 0; i < 4; ++i) bus.Send(0, message);
  CHECK(bus.sink.posts == std::map<int, int>{{1, 4}});
  disable(1);
  bus.Send(0, message);
  CHECK(bus.sink.posts == std::map<int, int>{{1, 4}});
}

TEST_CASE("INIT and SIPI go to the sink as sets, INIT level de-assert nowhere") {
  Bus bus(4);
  bus.Send(1, {.delivery_mode = DeliveryMode::kInit}, Shorthand::kAllExcludingSelf);
  CHECK(bus.sink.inits == CpuSet{0, 2, 3});
  CHECK(bus.sink.init_source == 1);
  bus.Send(1, {.delivery_mode = DeliveryMode::kStartup, .vector = 0x9a},
           Shorthand::kAllExcludingSelf);
  CHECK(bus.sink.startups == CpuSet{0, 2, 3});
  CHECK(bus.sink.last_vector == 0x9a);

  Bus quiet(4);
  quiet.Send(1,
             {.delivery_mode = DeliveryMode::kInit,
              .trigger_mode = apic::TriggerMode::kLevel,
              .level = false},
             Shorthand::kAllExcludingSelf);
  CHECK(quiet.sink.inits.Empty());
}

TEST_CASE("NMI and SMI are told apart from vectors") {
  Bus bus(3);
  bus.Send(0, {.destination = 1, .delivery_mode = DeliveryMode::kNmi, .vector = 0x40});
  bus.Send(0, {.destination = 2, .delivery_mode = DeliveryMode::kSmi});
  CHECK(bus.sink.nmis == CpuSet{1});
  CHECK(bus.sink.smis == CpuSet{2});
  CHECK(bus.sink.posts.empty());
}

constexpr uint32_t kLevelFixed = 0x8050;
constexpr uint32_t kLevelLowest = 0x8950;

TEST_CASE("a level sent to nobody is sent when its destination is mended") {
  Pins pins(2);
  pins.Route(kLevelFixed, 9);
  pins.Assert();
  CHECK(pins.sink.posts.empty());
  pins.Route(kLevelFixed, 1);
  CHECK(pins.sink.posts == std::map<int, int>{{1, 1}});
}

TEST_CASE("a lowest-priority level waits for the first APIC that is enabled") {
  Pins pins(2);
  pins.Enable(0, false);
  pins.Enable(1, false);
  pins.Route(kLevelLowest | 0x800, 3);
  pins.Assert();
  CHECK(pins.sink.posts.empty());
  pins.Enable(1, true);
  REQUIRE(pins.fabric.ioapic().Retry(1).ok());
  CHECK(pins.sink.posts == std::map<int, int>{{1, 1}});
}

TEST_CASE(
    "a lowest-priority level goes to another, once, when its CPU is disabled and discards it") {
  Pins pins(3);
  pins.Route(kLevelLowest | 0x800, 7);
  pins.Assert();
  CpuSet asked;
  for (int discards = 0; discards < 3; ++discards) {
    const int last = (pins.sink.posted() - asked).First();
    REQUIRE(last < 3);
    asked.Add(last);
    pins.Enable(last, false);
    pins.fabric.ioapic().Discarded(last, 0x50);
    CHECK(pins.sink.posted().Count() == std::min(discards + 2, 3));
  }
  // Nobody is left, and it waits for whoever is enabled first.
  CHECK(pins.sink.posts == std::map<int, int>{{0, 1}, {1, 1}, {2, 1}});
  pins.Enable(1, true);
  REQUIRE(pins.fabric.ioapic().Retry(1).ok());
  CHECK(pins.sink.posts[1] == 2);
}

TEST_CASE("a lowest-priority level with an illegal vector goes to one CPU once") {
  const int cpus = GENERATE(1, 2);
  Pins pins(cpus);
  pins.Route((kLevelLowest & ~0xffu) | 0x05, 0xff);
  pins.Assert();
  const int first = pins.sink.posted().First();
  // Its APIC is enabled, and discards it all the same.
  pins.fabric.ioapic().Discarded(first, 0x05);
  CHECK(pins.sink.posts == std::map<int, int>{{first, 1}});
  CHECK_FALSE(pins.RemoteIrr());
  // Mended while one is on its way, which the first of the stores has sent.
  pins.Route(kLevelLowest, 0xff);
  for (int cpu = 0; cpu < cpus; ++cpu) pins.fabric.ioapic().Discarded(cpu, 0x05);
  CHECK(pins.sink.last_vector == 0x50);
}

TEST_CASE("a fixed level that one of several discards waits for the EOI of the others") {
  Pins pins(2);
  pins.Route(kLevelFixed | 0x800, 3);
  pins.Assert();
  CHECK(pins.sink.posts == std::map<int, int>{{0, 1}, {1, 1}});
  pins.fabric.ioapic().Discarded(0, 0x50);
  CHECK(pins.RemoteIrr());
  REQUIRE(pins.fabric.ioapic().Retry(0).ok());
  CHECK(pins.sink.posts[1] == 1);  // not a second time
  pins.fabric.ioapic().Discarded(1, 0x50);
  CHECK_FALSE(pins.RemoteIrr());
  CHECK(pins.sink.posts[0] == 1);  // who discards one would discard the next
}

TEST_CASE("a level that a CPU has when it is removed goes to another, or is not waited for") {
  Pins pins(3);
  pins.Route(kLevelLowest, 6);
  pins.Assert();
  const int first = pins.sink.posted().First();
  pins.Remove(first);
  CHECK(pins.RemoteIrr());
  CHECK(pins.sink.posts == std::map<int, int>{{1, 1}, {2, 1}});
  pins.Remove(3 - first);
  CHECK_FALSE(pins.RemoteIrr());
  CHECK(pins.sink.posts == std::map<int, int>{{1, 1}, {2, 1}});
}

TEST_CASE("a level that two CPUs have is waited for until both are removed") {
  Pins pins(3);
  pins.Route(kLevelFixed | 0x800, 6);
  pins.Assert();
  pins.Remove(1);
  CHECK(pins.RemoteIrr());
  pins.Remove(2);
  CHECK_FALSE(pins.RemoteIrr());
  CHECK(pins.sink.posts == std::map<int, int>{{1, 1}, {2, 1}});
}

TEST_CASE("what a CPU discards is no news of a pin that has sent to another, or something else") {
  Pins pins(3);
  pins.Route(kLevelFixed, 1);
  pins.Assert();
  pins.fabric.ioapic().Discarded(2, 0x50);
  CHECK(pins.RemoteIrr());
  pins.fabric.ioapic().Discarded(1, 0x51);
  CHECK(pins.RemoteIrr());
  pins.fabric.ioapic().Discarded(1, 0x50);
  CHECK_FALSE(pins.RemoteIrr());
}

TEST_CASE("a shorthand does not reach an APIC that is disabled in hardware") {
  Bus bus(3);
  Identity identity = bus.fabric.table().identity(1);
  identity.mode = ApicMode::kDisabled;
  bus.fabric.table().Publish(1, identity);
  bus.Send(0, {.delivery_mode = DeliveryMode::kNmi}, Shorthand::kAllExcludingSelf);
  CHECK(bus.sink.nmis == CpuSet{2});
}

}  // namespace
}  // namespace muster::vcpu
