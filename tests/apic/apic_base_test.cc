#include <catch2/catch.hpp>

#include "lapic_bench.h"

namespace muster::apic {
namespace {

constexpr uint64_t kExtd = ApicBase::Extd::kMask;
constexpr uint64_t kDisabledBase = kDefaultApicBase;
constexpr uint64_t kInvalidBase = kDefaultApicBase | kExtd;

/// A Lapic that has been brought into `base`'s mode by legal steps.
LapicBench In(uint64_t base) {
  LapicBench bench = LapicBench::Xapic();
  REQUIRE(bench.SetApicBase(base));
  return bench;
}

}  // namespace

TEST_CASE("each transition of IA32_APIC_BASE is legal or #GP as the state diagram has it") {
  struct Transition {
    uint64_t from, to;
    bool legal;
  };
  const Transition transition = GENERATE(values<Transition>({
      {kDisabledBase, kDisabledBase, true},
      {kDisabledBase, kXapicBase, true},
      {kDisabledBase, kX2ApicBase, false},
      {kDisabledBase, kInvalidBase, false},
      {kXapicBase, kDisabledBase, true},
      {kXapicBase, kXapicBase, true},
      {kXapicBase, kX2ApicBase, true},
      {kXapicBase, kInvalidBase, false},
      {kX2ApicBase, kDisabledBase, true},
      {kX2ApicBase, kXapicBase, false},
      {kX2ApicBase, kX2ApicBase, true},
      {kX2ApicBase, kInvalidBase, false},
  }));
  CAPTURE(transition.from, transition.to);
  LapicBench bench = In(transition.from);
  const Lapic before = bench.lapic;
  const std::optional<Effects> effects = bench.SetApicBase(transition.to);
  REQUIRE(effects.has_value() == transition.legal);
  if (transition.legal) {
    CHECK(bench.lapic.apic_base() == transition.to);
    CHECK(effects->identity_changed == (transition.from != transition.to));
  } else {
    CHECK(bench.lapic == before);
  }
}

TEST_CASE("without the feature, EXTD is a reserved bit") {
  LapicConfig config = LapicBench::Config();
  config.x2apic = false;
  LapicBench bench(config);
  CHECK_FALSE(bench.SetApicBase(kX2ApicBase));
  bench.lapic.AsFirmwareLeaves(true);
  CHECK(bench.lapic.mode() == ApicMode::kXapic);
}

TEST_CASE("a reserved bit of IA32_APIC_BASE is #GP") {
  LapicBench bench(LapicBench::Config());
  for (unsigned bit = 0; bit < 64; ++bit) {
    CAPTURE(bit);
    const bool reserved = bit < 8 || bit == 9 || bit >= 40;
    CHECK(bench.SetApicBase(kXapicBase ^ uint64_t{1} << bit).has_value() == !reserved);
    bench.lapic.PowerOn();
  }
}

TEST_CASE("the register page moves with the base") {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kTpr, 0x33);
  const std::optional<Effects> moved = bench.SetApicBase(0xfd123'5000 | ApicBase::En::kMask);
  REQUIRE(moved);
  CHECK(moved->page_changed);
  CHECK_FALSE(moved->identity_changed);
  CHECK(bench.lapic.MmioPage() == 0xfd123'5000);
  CHECK(bench.Read(LapicReg::kTpr) == 0x33);
  CHECK_FALSE(bench.SetApicBase(0xfd123'5000 | ApicBase::En::kMask)->page_changed);
}

TEST_CASE("the BSP flag is the guest's to write") {
  LapicBench bench(LapicBench::Config());
  REQUIRE(bench.SetApicBase(kXapicBase | ApicBase::Bsp::kMask));
  CHECK(bench.lapic.MsrRead(kMsrApicBase, bench.now) == 0xfee00900);
}

TEST_CASE("hardware disable loses state, pending interrupts included") {
  LapicBench bench = LapicBench::Xapic();
  bench.Serve(0x81);
  bench.lapic.Accept(0x91, TriggerMode::kEdge);
  bench.Write(LapicReg::kLvtTimer, 0x30);
  bench.Write(LapicReg::kInitialCount, 100);
  const std::optional<Effects> effects = bench.SetApicBase(kDisabledBase);
  REQUIRE(effects);
  CHECK(effects->identity_changed);
  CHECK(effects->page_changed);
  CHECK(effects->timer_changed);
  CHECK_FALSE(bench.lapic.AnyPending());
  CHECK_FALSE(bench.lapic.NextDeadline());
  REQUIRE(bench.SetApicBase(kXapicBase));
  CHECK(bench.Read(LapicReg::kSvr) == 0xff);
  CHECK(bench.Read(LapicReg::kIsr + 4) == 0);
}

TEST_CASE("a disabled APIC decodes no page and has no x2APIC registers") {
  LapicBench bench = In(kDisabledBase);
  CHECK_FALSE(bench.lapic.MmioPage());
  CHECK(bench.Read(LapicReg::kVersion) == 0xffffffff);
  CHECK(bench.Write(LapicReg::kSvr, 0x1ff) == Effects());
  CHECK_FALSE(bench.lapic.software_enabled());
  CHECK_FALSE(bench.Msr(LapicReg::kVersion));
  CHECK_FALSE(bench.Msr(LapicReg::kSvr, 0x1ff));
}

TEST_CASE("with the APIC disabled, LINT0 is INTR and LINT1 is NMI") {
  LapicBench bench = In(kDisabledBase);
  CHECK(bench.lapic.AcceptsExtInt());
  CHECK(bench.lapic.RaiseLvt(LapicReg::kLvtLint1).nmi);
  CHECK(bench.lapic.RaiseLvt(LapicReg::kLvtThermal) == Effects());
}

TEST_CASE("from xAPIC to x2APIC mode state stays, but for LDR and the ICR's destination") {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kLdr, 0x80000000);
  bench.Write(LapicReg::kTpr, 0x20);
  bench.Write(LapicReg::kLvtPmc, 0x55);
  bench.Write(LapicReg::kIcrHigh, 0x07000000);
  bench.Write(LapicReg::kIcrLow, 0x00004060);
  bench.Serve(0x91, TriggerMode::kLevel);
  bench.lapic.Accept(0xa1, TriggerMode::kEdge);
  const std::optional<Effects> effects = bench.SetApicBase(kX2ApicBase);
  REQUIRE(effects);
  CHECK(effects->identity_changed);
  CHECK(effects->page_changed);
  CHECK(bench.Msr(LapicReg::kLdr) == 1u << 3);
  CHECK(bench.Msr(LapicReg::kId) == 3);
  CHECK(bench.Msr(LapicReg::kIcrLow) == 0x4060);
  CHECK(bench.Msr(LapicReg::kTpr) == 0x20);
  CHECK(bench.Msr(LapicReg::kSvr) == 0x1ff);
  CHECK(bench.Msr(LapicReg::kLvtPmc) == 0x55);
  CHECK(bench.Msr(LapicReg::kIrr + 5) == 1u << 1);
  CHECK(bench.Msr(LapicReg::kEoi, 0)->eoi == 0x91);
}

TEST_CASE("the x2APIC id comes back through disabled and xAPIC mode") {
  LapicConfig config = LapicBench::Config();
  config.id = 300;
  LapicBench bench = LapicBench::X2Apic(config);
  REQUIRE(bench.SetApicBase(kDisabledBase));
  REQUIRE(bench.SetApicBase(kXapicBase));
  CHECK(bench.Read(LapicReg::kId) == 44u << 24);
  REQUIRE(bench.SetApicBase(kX2ApicBase));
  CHECK(bench.Msr(LapicReg::kId) == 300);
}

}  // namespace muster::apic
