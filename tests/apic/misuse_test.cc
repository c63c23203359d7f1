// What a user of the library may pass and a guest cannot: each has its result, and none is a crash.
#include <array>

#include <catch2/catch.hpp>

#include "ioapic_bench.h"
#include "lapic_bench.h"

namespace muster::apic {

TEST_CASE("a vector that is not the deliverable one is not acknowledged") {
  LapicBench bench = LapicBench::Xapic();
  CHECK_FALSE(bench.lapic.Acknowledge(0x41));
  bench.lapic.Accept(0x41, TriggerMode::kEdge);
  bench.lapic.Accept(0x80, TriggerMode::kEdge);
  const Lapic before = bench.lapic;
  for (const uint8_t vector : std::array<uint8_t, 3>{0x00, 0x41, 0xff}) {
    CHECK_FALSE(bench.lapic.Acknowledge(vector));
    CHECK(bench.lapic == before);
  }
  CHECK(bench.lapic.Acknowledge(0x80));
  // Waits, but behind the priority of what is served.
  CHECK_FALSE(bench.lapic.Acknowledge(0x41));
  CHECK_FALSE(bench.lapic.Acknowledge(0x80));
  CHECK(bench.lapic.CheckInvariants() == nullptr);
}

TEST_CASE("a register that is no source of interrupts raises nothing") {
  LapicBench bench = GENERATE(LapicBench::Xapic(), LapicBench(LapicBench::Config()));
  for (unsigned i = 0; i < kLvtCount; ++i) bench.Write(LapicReg::kLvtTimer + i, 0x51);
  const Lapic before = bench.lapic;
  for (unsigned reg = 0; reg < 0x100; ++reg) {
    if (reg >= static_cast<unsigned>(LapicReg::kLvtThermal) &&
        reg <= static_cast<unsigned>(LapicReg::kLvtLint1)) {
      continue;
    }
    CHECK(bench.lapic.RaiseLvt(static_cast<LapicReg>(reg)) == Effects());
    CHECK(bench.lapic == before);
  }
}

TEST_CASE("a register that is no entry of the LVT reads as one after reset") {
  LapicBench bench = LapicBench::Xapic();
  for (unsigned i = 0; i < kLvtCount; ++i) bench.Write(LapicReg::kLvtTimer + i, 0x51);
  for (unsigned reg = 0; reg < 0x100; ++reg) {
    const bool lvt = IsLvt(static_cast<LapicReg>(reg));
    CHECK(bench.lapic.lvt(static_cast<LapicReg>(reg)).raw == (lvt ? 0x51 : Lvt::kReset));
  }
}

TEST_CASE("a processor has no more than 52 bits of physical address") {
  const auto bits = GENERATE(uint8_t{53}, uint8_t{64}, uint8_t{255});
  LapicConfig config = LapicBench::Config();
  config.physical_address_bits = bits;
  LapicBench bench(config);
  CHECK(bench.SetApicBase(kXapicBase | uint64_t{1} << 51));
  CHECK_FALSE(bench.SetApicBase(kXapicBase | uint64_t{1} << 52));
  CHECK_FALSE(bench.SetApicBase(kXapicBase | uint64_t{1} << 63));
}

TEST_CASE("a set of vectors has eight registers") {
  VectorSet set;
  set.Add(0xff);
  CHECK(set.Register(7) == 1u << 31);
  for (const unsigned index : std::array<unsigned, 4>{8, 9, 200, ~0u}) {
    CHECK(set.Register(index) == 0);
  }
}

TEST_CASE("an I/O APIC has 1 to 120 pins, and an id of 4 bits") {
  CHECK(IoApic({.id = 0, .pins = 0}).pins() == 1);
  CHECK(IoApic({.id = 0, .pins = 255}).pins() == kMaxIoApicPins);
  IoApicBench bench({.id = 0xf5});
  CHECK(bench.Read(0) == 5u << 24);
}

TEST_CASE("a pin that does not exist does nothing, and reads as masked and not asserted") {
  IoApicBench bench;
  for (unsigned pin = 0; pin < bench.ioapic.pins(); ++pin) bench.WriteEntry(pin, kRteLevel | 0x31);
  const IoApic before = bench.ioapic;
  for (const unsigned pin : std::array<unsigned, 4>{24, 200, 2'000'000, ~0u}) {
    CHECK(bench.ioapic.SetLine(pin, true) == IoApicEffects());
    CHECK(bench.ioapic.Evaluate(pin) == IoApicEffects());
    bench.ioapic.Unaccepted(pin);
    CHECK_FALSE(bench.ioapic.AwaitsEoi(pin, 0x31));
    CHECK(bench.ioapic.entry(pin) == Rte(Rte::kReset));
    CHECK_FALSE(bench.ioapic.asserted(pin));
    CHECK(bench.ioapic == before);
  }
}

}  // namespace muster::apic
