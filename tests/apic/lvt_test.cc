#include <catch2/catch.hpp>

#include "lapic_bench.h"

namespace muster::apic {
namespace {

constexpr uint32_t kMasked = 1u << 16;
constexpr uint32_t kLevelTriggered = 1u << 15;
constexpr uint32_t kRemoteIrr = 1u << 14;
constexpr uint32_t kVector = 0x51;

constexpr uint32_t Entry(DeliveryMode mode) { return static_cast<uint32_t>(mode) << 8 | kVector; }

}  // namespace

TEST_CASE("an unmasked local source interrupts, a masked one does not") {
  const LapicReg reg =
      GENERATE(LapicReg::kLvtThermal, LapicReg::kLvtPmc, LapicReg::kLvtLint0, LapicReg::kLvtLint1);
  LapicBench bench = LapicBench::Xapic();
  bench.Write(reg, Entry(DeliveryMode::kFixed) | kMasked);
  CHECK(bench.lapic.RaiseLvt(reg) == Effects());
  CHECK_FALSE(bench.lapic.AnyPending());
  bench.Write(reg, Entry(DeliveryMode::kFixed));
  CHECK(bench.lapic.RaiseLvt(reg) == Effects());
  CHECK(bench.lapic.Deliverable() == kVector);
}

TEST_CASE("local sources deliver NMI, SMI and INIT as their entry says") {
  LapicBench bench = LapicBench::Xapic();
  const LapicReg reg = LapicReg::kLvtLint1;
  bench.Write(reg, Entry(DeliveryMode::kNmi));
  CHECK(bench.lapic.RaiseLvt(reg).nmi);
  bench.Write(reg, Entry(DeliveryMode::kInit));
  CHECK(bench.lapic.RaiseLvt(reg).init);
  bench.Write(reg, Entry(DeliveryMode::kSmi));
  CHECK(bench.lapic.RaiseLvt(reg) == Effects());
  CHECK(bench.lapic.counters().smis == 1);
  CHECK_FALSE(bench.lapic.AnyPending());
}

TEST_CASE("INIT is not for thermal and performance monitoring") {
  const LapicReg reg = GENERATE(LapicReg::kLvtThermal, LapicReg::kLvtPmc);
  LapicBench bench = LapicBench::Xapic();
  bench.Write(reg, Entry(DeliveryMode::kInit));
  CHECK(bench.lapic.RaiseLvt(reg) == Effects());
}

TEST_CASE("a performance monitoring interrupt masks its entry") {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kLvtPmc, Entry(DeliveryMode::kNmi));
  CHECK(bench.lapic.RaiseLvt(LapicReg::kLvtPmc).nmi);
  CHECK(bench.Read(LapicReg::kLvtPmc) == (Entry(DeliveryMode::kNmi) | kMasked));
  CHECK_FALSE(bench.lapic.RaiseLvt(LapicReg::kLvtPmc).nmi);
}

TEST_CASE("software disable masks every entry, and no write can unmask one") {
  LapicBench bench = LapicBench::Xapic();
  for (unsigned i = 0; i < kLvtCount; ++i) bench.Write(LapicReg::kLvtTimer + i, kVector);
  bench.Write(LapicReg::kSvr, 0xff);
  for (unsigned i = 0; i < kLvtCount; ++i) {
    const LapicReg reg = LapicReg::kLvtTimer + i;
    CHECK(bench.Read(reg) == (kVector | kMasked));
    bench.Write(reg, kVector + i);
    CHECK(bench.Read(reg) == ((kVector + i) | kMasked));
  }
}

TEST_CASE("software enable leaves the entries masked") {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kLvtError, kVector);
  bench.Write(LapicReg::kSvr, 0xff);
  bench.Write(LapicReg::kSvr, 0x1ff);
  CHECK(bench.Read(LapicReg::kLvtError) == (kVector | kMasked));
}

TEST_CASE("ExtINT is a wire: open while LINT0 is an unmasked ExtINT, and nothing is latched") {
  LapicBench bench = LapicBench::Xapic();
  CHECK_FALSE(bench.lapic.AcceptsExtInt());
  bench.Write(LapicReg::kLvtLint0, Entry(DeliveryMode::kExtInt));
  CHECK(bench.lapic.AcceptsExtInt());
  CHECK(bench.lapic.RaiseLvt(LapicReg::kLvtLint0) == Effects());
  CHECK_FALSE(bench.lapic.AnyPending());
  bench.Write(LapicReg::kTpr, 0xff);
  CHECK(bench.lapic.AcceptsExtInt());
  bench.Write(LapicReg::kLvtLint0, Entry(DeliveryMode::kExtInt) | kMasked);
  CHECK_FALSE(bench.lapic.AcceptsExtInt());
  bench.Write(LapicReg::kLvtLint0, Entry(DeliveryMode::kFixed));
  CHECK_FALSE(bench.lapic.AcceptsExtInt());
}

TEST_CASE("software disable closes the ExtINT wire") {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kLvtLint0, Entry(DeliveryMode::kExtInt));
  bench.Write(LapicReg::kSvr, 0xff);
  CHECK_FALSE(bench.lapic.AcceptsExtInt());
}

TEST_CASE("a level on LINT0 sets remote IRR until its EOI") {
  LapicBench bench = LapicBench::Xapic();
  const uint32_t entry = Entry(DeliveryMode::kFixed) | kLevelTriggered;
  bench.Write(LapicReg::kLvtLint0, entry);
  bench.lapic.RaiseLvt(LapicReg::kLvtLint0);
  CHECK(bench.Read(LapicReg::kLvtLint0) == (entry | kRemoteIrr));
  bench.lapic.Acknowledge(kVector);
  bench.lapic.RaiseLvt(LapicReg::kLvtLint0);
  CHECK_FALSE(bench.lapic.AnyPending());
  bench.Write(LapicReg::kEoi, 0);
  CHECK(bench.Read(LapicReg::kLvtLint0) == entry);
  bench.lapic.RaiseLvt(LapicReg::kLvtLint0);
  CHECK(bench.lapic.Deliverable() == kVector);
}

TEST_CASE("making LINT0 an edge clears its remote IRR") {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kLvtLint0, Entry(DeliveryMode::kFixed) | kLevelTriggered);
  bench.lapic.RaiseLvt(LapicReg::kLvtLint0);
  bench.Write(LapicReg::kLvtLint0, Entry(DeliveryMode::kFixed));
  CHECK(bench.Read(LapicReg::kLvtLint0) == Entry(DeliveryMode::kFixed));
}

TEST_CASE("LINT1 is an edge whatever its entry says") {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kLvtLint1, Entry(DeliveryMode::kFixed) | kLevelTriggered);
  bench.lapic.RaiseLvt(LapicReg::kLvtLint1);
  CHECK_FALSE(bench.lapic.tmr().Contains(kVector));
  CHECK((bench.Read(LapicReg::kLvtLint1) & kRemoteIrr) == 0);
}

TEST_CASE("a local source with an illegal vector is an error") {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kLvtThermal, 9);
  bench.lapic.RaiseLvt(LapicReg::kLvtThermal);
  CHECK(bench.Errors() == Esr::ReceiveIllegalVector::kMask);
  CHECK_FALSE(bench.lapic.AnyPending());
}

}  // namespace muster::apic
