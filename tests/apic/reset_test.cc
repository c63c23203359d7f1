#include <catch2/catch.hpp>

#include "lapic_bench.h"

namespace muster::apic {
namespace {

/// Every register that a reset touches gets another value.
void Dirty(LapicBench& bench) {
  bench.Write(LapicReg::kSvr, 0x1ee);
  bench.Write(LapicReg::kLvtTimer, 0x20030);
  bench.Write(LapicReg::kInitialCount, 1000);
  bench.Write(LapicReg::kDivideConfiguration, 0xb);
  for (unsigned i = 1; i < kLvtCount; ++i) {
    bench.Write(LapicReg::kLvtTimer + i, 0x40 + i);
  }
  bench.Write(LapicReg::kTpr, 0x12);
  bench.Write(LapicReg::kLdr, 0xab000000);
  bench.Write(LapicReg::kDfr, 0);
  bench.Write(LapicReg::kIcrHigh, 0x05000000);
  bench.Write(LapicReg::kIcrLow, 0x000c4055);
  bench.lapic.Accept(3, TriggerMode::kEdge);
  bench.Write(LapicReg::kEsr, 0);
  bench.lapic.Accept(4, TriggerMode::kEdge);
  bench.Serve(0x91, TriggerMode::kLevel);
  bench.lapic.Accept(0xa2, TriggerMode::kEdge);
}

void CheckResetState(LapicBench& bench) {
  CHECK(bench.Read(LapicReg::kId) == 3u << 24);
  CHECK(bench.Read(LapicReg::kVersion) == 0x00050014);
  CHECK(bench.Read(LapicReg::kTpr) == 0);
  CHECK(bench.Read(LapicReg::kPpr) == 0);
  CHECK(bench.Read(LapicReg::kLdr) == 0);
  CHECK(bench.Read(LapicReg::kDfr) == 0xffffffff);
  CHECK(bench.Read(LapicReg::kSvr) == 0xff);
  for (unsigned i = 0; i < 8; ++i) {
    CHECK(bench.Read(LapicReg::kIsr + i) == 0);
    CHECK(bench.Read(LapicReg::kTmr + i) == 0);
    CHECK(bench.Read(LapicReg::kIrr + i) == 0);
  }
  CHECK(bench.Read(LapicReg::kEsr) == 0);
  CHECK(bench.Errors() == 0);
  CHECK(bench.Read(LapicReg::kIcrLow) == 0);
  CHECK(bench.Read(LapicReg::kIcrHigh) == 0);
  for (unsigned i = 0; i < kLvtCount; ++i) CHECK(bench.Read(LapicReg::kLvtTimer + i) == 0x10000);
  CHECK(bench.Read(LapicReg::kInitialCount) == 0);
  CHECK(bench.Read(LapicReg::kCurrentCount) == 0);
  CHECK(bench.Read(LapicReg::kDivideConfiguration) == 0);
  CHECK_FALSE(bench.lapic.NextDeadline());
}

}  // namespace

TEST_CASE("the version register advertises six LVT entries and no optional feature") {
  LapicBench bench(LapicBench::Config());
  const LapicVersion version(bench.Read(LapicReg::kVersion));
  CHECK(version.Get<LapicVersion::Version>() == 0x14);
  CHECK(version.Get<LapicVersion::MaxLvt>() == 5);
  CHECK_FALSE(version.Get<LapicVersion::CanSuppressEoiBroadcast>());
}

TEST_CASE("power-on leaves xAPIC mode at the default base, software-disabled") {
  LapicBench bench(LapicBench::Config());
  CHECK(bench.lapic.apic_base() == 0xfee00800);
  CHECK(bench.lapic.MmioPage() == 0xfee00000);
  CheckResetState(bench);
  LapicConfig config = LapicBench::Config();
  config.bootstrap = true;
  CHECK(Lapic(config).apic_base() == 0xfee00900);
}

TEST_CASE("INIT resets every register but the id and IA32_APIC_BASE") {
  LapicBench bench(LapicBench::Config());
  bench.SetApicBase(0x12345000 | ApicBase::En::kMask);
  Dirty(bench);
  bench.lapic.Init();
  CHECK(bench.lapic.apic_base() == 0x12345800);
  CheckResetState(bench);
}

TEST_CASE("power-on also resets IA32_APIC_BASE") {
  LapicBench bench(LapicBench::Config());
  bench.SetApicBase(0x12345000 | ApicBase::En::kMask);
  Dirty(bench);
  bench.lapic.PowerOn();
  CHECK(bench.lapic.apic_base() == 0xfee00800);
  CheckResetState(bench);
}

TEST_CASE("INIT keeps x2APIC mode and its ids") {
  LapicConfig config = LapicBench::Config();
  config.id = 300;
  LapicBench bench = LapicBench::X2Apic(config);
  bench.Msr(LapicReg::kTpr, 0x20);
  bench.lapic.Init();
  CHECK(bench.lapic.mode() == ApicMode::kX2apic);
  CHECK(bench.Msr(LapicReg::kId) == 300);
  CHECK(bench.Msr(LapicReg::kLdr) == (18u << 16 | 1u << 12));
  CHECK(bench.Msr(LapicReg::kTpr) == 0);
  CHECK(bench.Msr(LapicReg::kSvr) == 0xff);
}

TEST_CASE("INIT keeps a disabled APIC disabled") {
  LapicBench bench(LapicBench::Config());
  bench.SetApicBase(kDefaultApicBase);
  bench.lapic.Init();
  CHECK(bench.lapic.mode() == ApicMode::kDisabled);
}

TEST_CASE("INIT disarms the TSC deadline") {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kLvtTimer, 0x40030);
  bench.lapic.MsrWrite(kMsrTscDeadline, bench.now.tsc + 100, bench.now);
  bench.lapic.Init();
  bench.now.tsc += 1000;
  bench.lapic.TimerExpired(bench.now);
  CHECK(bench.lapic.MsrRead(kMsrTscDeadline, bench.now) == 0);
  CHECK_FALSE(bench.lapic.AnyPending());
}

TEST_CASE("firmware leaves the bootstrap processor enabled with virtual-wire pins") {
  LapicConfig config = LapicBench::Config();
  config.bootstrap = true;
  LapicBench bench(config);
  bench.lapic.AsFirmwareLeaves(false);
  CHECK(bench.Read(LapicReg::kSvr) == 0x1ff);
  CHECK(bench.Read(LapicReg::kLvtLint0) == 0x700);
  CHECK(bench.Read(LapicReg::kLvtLint1) == 0x400);
  CHECK(bench.lapic.AcceptsExtInt());
  CHECK(bench.lapic.RaiseLvt(LapicReg::kLvtLint1).nmi);
}

TEST_CASE("firmware leaves the other processors as after INIT, all in the mode it chose") {
  LapicBench bench(LapicBench::Config());
  bench.lapic.AsFirmwareLeaves(false);
  CheckResetState(bench);
  bench.lapic.AsFirmwareLeaves(true);
  CHECK(bench.lapic.apic_base() == kX2ApicBase);
  CHECK(bench.Msr(LapicReg::kSvr) == 0xff);
}

}  // namespace muster::apic
