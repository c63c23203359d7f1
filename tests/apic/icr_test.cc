#include <catch2/catch.hpp>

#include "lapic_bench.h"

namespace muster::apic {
namespace {

constexpr uint32_t kAssert = 1u << 14;
constexpr uint32_t kLevelTriggered = 1u << 15;
constexpr uint32_t kLogical = 1u << 11;

constexpr uint32_t Low(DeliveryMode mode, uint8_t vector, Shorthand shorthand = Shorthand::kNone) {
  return static_cast<uint32_t>(shorthand) << 18 | kAssert | static_cast<uint32_t>(mode) << 8 |
         vector;
}

}  // namespace

TEST_CASE("writing the low half of the ICR sends to the destination in the high half") {
  LapicBench bench = LapicBench::Xapic();
  CHECK(bench.Write(LapicReg::kIcrHigh, 0x05000000) == Effects());
  const Effects effects = bench.Write(LapicReg::kIcrLow, Low(DeliveryMode::kFixed, 0x40));
  Message message;
  message.destination = 5;
  message.vector = 0x40;
  REQUIRE(effects.ipi);
  CHECK(*effects.ipi == Ipi{message, Shorthand::kNone});
  CHECK(bench.Read(LapicReg::kIcrLow) == 0x00004040);
}

TEST_CASE("an IPI carries the delivery mode and destination mode of the ICR") {
  const DeliveryMode mode =
      GENERATE(DeliveryMode::kFixed, DeliveryMode::kLowestPriority, DeliveryMode::kSmi,
               DeliveryMode::kNmi, DeliveryMode::kInit, DeliveryMode::kStartup);
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kIcrHigh, 0x03000000);
  const Effects effects = bench.Write(LapicReg::kIcrLow, Low(mode, 0x9a) | kLogical);
  REQUIRE(effects.ipi);
  CHECK(effects.ipi->message.delivery_mode == mode);
  CHECK(effects.ipi->message.destination_mode == DestinationMode::kLogical);
  CHECK(effects.ipi->message.destination == 3);
  CHECK(effects.ipi->message.vector == 0x9a);
  CHECK_FALSE(effects.ipi->message.x2apic);
}

TEST_CASE("each delivery mode goes with the shorthands that the manual allows") {
  using enum DeliveryMode;
  struct Row {
    DeliveryMode mode;
    bool none, self, all, others;
  };
  // NMI to oneself is not in the manual's table, but works.
  const Row row = GENERATE(values<Row>({
      {kFixed, true, true, true, true},
      {kLowestPriority, true, false, false, true},
      {kSmi, true, false, false, true},
      {kReserved, false, false, false, false},
      {kNmi, true, true, true, true},
      {kInit, true, false, false, true},
      {kStartup, true, false, false, true},
      {kExtInt, false, false, false, false},
  }));
  for (const Shorthand shorthand : {Shorthand::kNone, Shorthand::kSelf,
                                    Shorthand::kAllIncludingSelf, Shorthand::kAllExcludingSelf}) {
    CAPTURE(static_cast<int>(row.mode), static_cast<int>(shorthand));
    const bool valid = shorthand == Shorthand::kNone               ? row.none
                       : shorthand == Shorthand::kSelf             ? row.self
                       : shorthand == Shorthand::kAllIncludingSelf ? row.all
                                                                   : row.others;
    LapicBench bench = LapicBench::Xapic();
    const Effects effects = bench.Write(LapicReg::kIcrLow, Low(row.mode, 0x40, shorthand));
    CHECK(bench.lapic.counters().unsent_ipis == (valid ? 0 : 1));
    if (shorthand == Shorthand::kSelf) {
      CHECK_FALSE(effects.ipi);
      CHECK(effects.nmi == (row.mode == kNmi));
      CHECK(bench.lapic.irr().Contains(0x40) == (row.mode == kFixed));
    } else {
      CHECK(effects.ipi.has_value() == valid);
      if (valid) CHECK(effects.ipi->shorthand == shorthand);
      CHECK_FALSE(bench.lapic.AnyPending());
      CHECK_FALSE(effects.nmi);
    }
  }
}

TEST_CASE("INIT level de-assert is no INIT") {
  LapicBench bench = LapicBench::Xapic();
  const uint32_t init = Low(DeliveryMode::kInit, 0);
  CHECK_FALSE(bench.Write(LapicReg::kIcrLow, (init & ~kAssert) | kLevelTriggered).ipi);
  CHECK(bench.Write(LapicReg::kIcrLow, init | kLevelTriggered).ipi);
  CHECK(bench.Write(LapicReg::kIcrLow, init & ~kAssert).ipi);
  CHECK(bench.lapic.counters().unsent_ipis == 0);
}

TEST_CASE("an IPI is an edge that asserts, whatever its level and trigger bits say") {
  LapicBench bench = LapicBench::Xapic();
  for (const uint32_t bits : {0u, kAssert, kLevelTriggered, kAssert | kLevelTriggered}) {
    const Effects effects = bench.Write(LapicReg::kIcrLow, 0x40 | bits);
    REQUIRE(effects.ipi);
    CHECK(effects.ipi->message.trigger_mode == TriggerMode::kEdge);
    CHECK(effects.ipi->message.level);
  }
}

TEST_CASE("an illegal vector is not sent but logged") {
  LapicBench bench = LapicBench::Xapic();
  for (const DeliveryMode mode : {DeliveryMode::kFixed, DeliveryMode::kLowestPriority}) {
    CHECK_FALSE(bench.Write(LapicReg::kIcrLow, Low(mode, 15)).ipi);
    CHECK(bench.Errors() == Esr::SendIllegalVector::kMask);
  }
  for (const DeliveryMode mode :
       {DeliveryMode::kNmi, DeliveryMode::kInit, DeliveryMode::kStartup, DeliveryMode::kSmi}) {
    CHECK(bench.Write(LapicReg::kIcrLow, Low(mode, 8)).ipi);
    CHECK(bench.Errors() == 0);
  }
}

TEST_CASE("a self-IPI with an illegal vector is logged as sent and as received") {
  constexpr uint64_t kBoth = kMaskOf<Esr::SendIllegalVector, Esr::ReceiveIllegalVector>;
  LapicBench xapic = LapicBench::Xapic();
  xapic.Write(LapicReg::kIcrLow, Low(DeliveryMode::kFixed, 3, Shorthand::kSelf));
  CHECK(xapic.Errors() == kBoth);
  LapicBench x2apic = LapicBench::X2Apic();
  REQUIRE(x2apic.Msr(LapicReg::kSelfIpi, 3));
  x2apic.Msr(LapicReg::kEsr, 0);
  CHECK(x2apic.Msr(LapicReg::kEsr) == kBoth);
  CHECK_FALSE(x2apic.lapic.AnyPending());
}

TEST_CASE("a self-IPI merges like any edge, and a disabled APIC discards it") {
  LapicBench bench = LapicBench::Xapic();
  const uint32_t self = Low(DeliveryMode::kFixed, 0x40, Shorthand::kSelf);
  bench.Write(LapicReg::kIcrLow, self);
  bench.Write(LapicReg::kIcrLow, self);
  CHECK(bench.lapic.counters().merged == 1);
  bench.lapic.Init();
  bench.Write(LapicReg::kIcrLow, self);
  CHECK_FALSE(bench.lapic.AnyPending());
  CHECK(bench.lapic.counters().discarded == 1);
}

TEST_CASE("a software-disabled APIC still sends IPIs") {
  LapicBench bench(LapicBench::Config());
  CHECK(bench.Write(LapicReg::kIcrLow, Low(DeliveryMode::kFixed, 0x40)).ipi);
  CHECK(bench.Write(LapicReg::kIcrLow, Low(DeliveryMode::kInit, 0)).ipi);
}

TEST_CASE("delivery status reads idle") {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kIcrLow, Low(DeliveryMode::kFixed, 0x40) | 1u << 12);
  CHECK((bench.Read(LapicReg::kIcrLow) & 1u << 12) == 0);
}

TEST_CASE("8-bit destinations in xAPIC mode, 32-bit ones in x2APIC mode") {
  LapicBench xapic = LapicBench::Xapic();
  xapic.Write(LapicReg::kIcrHigh, 0xffffffff);
  const Effects narrow = xapic.Write(LapicReg::kIcrLow, Low(DeliveryMode::kNmi, 0));
  REQUIRE(narrow.ipi);
  CHECK(narrow.ipi->message.destination == 0xff);
  LapicBench x2apic = LapicBench::X2Apic();
  const std::optional<Effects> wide =
      x2apic.Msr(LapicReg::kIcrLow, 0xffffffff'00000000 | Low(DeliveryMode::kNmi, 0));
  REQUIRE(wide);
  REQUIRE(wide->ipi);
  CHECK(wide->ipi->message.destination == 0xffffffff);
}

}  // namespace muster::apic
