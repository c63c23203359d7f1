#include <catch2/catch.hpp>

#include "lapic_bench.h"

namespace muster::apic {
namespace {

bool Exists(uint32_t index) {
  switch (index) {
    case 0x02:
    case 0x03:
    case 0x08:
    case 0x09:
    case 0x0a:
    case 0x0b:
    case 0x0c:
    case 0x0d:
    case 0x0e:
    case 0x0f:
    case 0x28:
    case 0x30:
    case 0x31:
    case 0x32:
    case 0x33:
    case 0x34:
    case 0x35:
    case 0x36:
    case 0x37:
    case 0x38:
    case 0x39:
    case 0x3e:
      return true;
    default:
      return index >= 0x10 && index < 0x28;
  }
}

}  // namespace

TEST_CASE("the page has the registers of the manual, the others read zero and log an error") {
  LapicBench bench = LapicBench::Xapic();
  for (uint32_t index = 0; index < 0x100; ++index) {
    CAPTURE(index);
    const auto value = bench.Load<uint32_t>(index << 4);
    if (!Exists(index)) CHECK(value == 0);
    CHECK(bench.Errors() == (Exists(index) ? 0 : Esr::IllegalRegisterAddress::kMask));
  }
}

TEST_CASE("a store to a register that does not exist is dropped and logs an error") {
  LapicBench bench = LapicBench::Xapic();
  for (uint32_t index = 0; index < 0x100; ++index) {
    if (Exists(index)) continue;
    CAPTURE(index);
    const Lapic before = bench.lapic;
    CHECK(bench.Store<uint32_t>(index << 4, 0x12345678) == Effects());
    CHECK(bench.Errors() == Esr::IllegalRegisterAddress::kMask);
    bench.Errors();
    CHECK(bench.lapic == before);
  }
}

TEST_CASE("CMCI and SELF IPI are no registers of this page") {
  LapicBench bench = LapicBench::Xapic();
  bench.Store<uint32_t>(0x2f0, 0x30);
  CHECK(bench.Errors() != 0);
  bench.Store<uint32_t>(0x3f0, 0x30);
  CHECK(bench.Errors() != 0);
  CHECK_FALSE(bench.lapic.AnyPending());
}

TEST_CASE("a store to a read-only register changes nothing and is no error") {
  LapicBench bench = LapicBench::Xapic();
  bench.Serve(0x91);
  for (const LapicReg reg :
       {LapicReg::kId, LapicReg::kVersion, LapicReg::kApr, LapicReg::kPpr, LapicReg::kRemoteRead,
        LapicReg::kCurrentCount, LapicReg::kIsr, LapicReg::kTmr + 7, LapicReg::kIrr + 3}) {
    CAPTURE(MmioOffset(reg));
    const Lapic before = bench.lapic;
    CHECK(bench.Write(reg, 0xffffffff) == Effects());
    CHECK(bench.lapic == before);
  }
}

TEST_CASE("the xAPIC id is read-only, 8 bits at the top") {
  LapicConfig config = LapicBench::Config();
  config.id = 0x12c;
  LapicBench bench = LapicBench::Xapic(config);
  CHECK(bench.Read(LapicReg::kId) == 0x2c000000);
  bench.Write(LapicReg::kId, 0x07000000);
  CHECK(bench.Read(LapicReg::kId) == 0x2c000000);
}

TEST_CASE("reserved bits of the page are not stored") {
  LapicBench bench = LapicBench::Xapic();
  const auto ones = [&bench](LapicReg reg) {
    bench.Write(reg, 0xffffffff);
    return bench.Read(reg);
  };
  CHECK(ones(LapicReg::kTpr) == 0x000000ff);
  CHECK(ones(LapicReg::kLdr) == 0xff000000);
  CHECK(ones(LapicReg::kSvr) == 0x000003ff);
  CHECK(ones(LapicReg::kIcrHigh) == 0xff000000);
  CHECK(ones(LapicReg::kLvtTimer) == 0x000700ff);
  CHECK(ones(LapicReg::kLvtThermal) == 0x000107ff);
  CHECK(ones(LapicReg::kLvtPmc) == 0x000107ff);
  CHECK(ones(LapicReg::kLvtLint0) == 0x0001a7ff);
  CHECK(ones(LapicReg::kLvtLint1) == 0x0001a7ff);
  CHECK(ones(LapicReg::kLvtError) == 0x000100ff);
  CHECK(ones(LapicReg::kDivideConfiguration) == 0xb);
  bench.Write(LapicReg::kDfr, 0);
  CHECK(bench.Read(LapicReg::kDfr) == 0x0fffffff);
  bench.Write(LapicReg::kIcrLow, 0xfff3f7ff);  // An ExtINT: not sent, but stored.
  CHECK(bench.Read(LapicReg::kIcrLow) == 0x0000c7ff);
}

TEST_CASE("without TSC-deadline, bit 18 of the timer's LVT entry is reserved") {
  LapicConfig config = LapicBench::Config();
  config.tsc_deadline = false;
  LapicBench bench = LapicBench::Xapic(config);
  bench.Write(LapicReg::kLvtTimer, 0x40030);
  CHECK(bench.Read(LapicReg::kLvtTimer) == 0x30);
  CHECK_FALSE(bench.lapic.MsrRead(kMsrTscDeadline, bench.now));
  CHECK_FALSE(bench.lapic.MsrWrite(kMsrTscDeadline, 1, bench.now));
}

TEST_CASE("EOI-broadcast suppression is not offered, so its bit stays clear") {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kSvr, 0x11ff);
  CHECK(bench.Read(LapicReg::kSvr) == 0x1ff);
  bench.Serve(0x61, TriggerMode::kLevel);
  CHECK(bench.Write(LapicReg::kEoi, 0).eoi == 0x61);
}

TEST_CASE("a load of any size and place gives the register's bytes and zeros behind") {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kLdr, 0xa5000000);
  bench.Write(LapicReg::kTpr, 0x42);
  const uint32_t ldr = MmioOffset(LapicReg::kLdr);
  CHECK(bench.Load<uint8_t>(ldr + 3) == 0xa5);
  CHECK(bench.Load<uint16_t>(ldr + 2) == 0xa500);
  CHECK(bench.Load<uint32_t>(ldr + 2) == 0x0000a500);
  CHECK(bench.Load<uint64_t>(ldr) == 0xa5000000);
  CHECK(bench.Load<uint32_t>(ldr + 4) == 0);
  CHECK(bench.Load<uint64_t>(ldr + 8) == 0);
  CHECK(bench.Load<uint8_t>(MmioOffset(LapicReg::kTpr)) == 0x42);
  // The last bytes of LDR's place and the first of DFR.
  CHECK(bench.Load<uint64_t>(ldr + 14) == 0x0000ffffffff0000);
  CHECK(bench.Errors() == 0);
}

TEST_CASE("a load past the end of the page gives zeros") {
  LapicBench bench = LapicBench::Xapic();
  CHECK(bench.Load<uint64_t>(0xffc) == 0);
  CHECK(bench.Load<uint32_t>(0xffffffff) == 0);
}

TEST_CASE("a store that is not 32 bits at a 16-byte boundary has no effect and is counted") {
  LapicBench bench = LapicBench::Xapic();
  const uint32_t tpr = MmioOffset(LapicReg::kTpr);
  bench.Store<uint8_t>(tpr, 0x10);
  bench.Store<uint16_t>(tpr, 0x10);
  bench.Store<uint64_t>(tpr, 0x10);
  for (uint32_t i = 1; i < 16; ++i) bench.Store<uint32_t>(tpr + i, 0x10);
  bench.Store<uint32_t>(kLapicPageSize, 0x10);
  CHECK(bench.Read(LapicReg::kTpr) == 0);
  CHECK(bench.Errors() == 0);
  CHECK(bench.lapic.counters().odd_accesses == 19);
}

TEST_CASE("LDR, DFR, mode and enable are the routing identity, and only a change is told") {
  LapicBench bench = LapicBench::Xapic();
  CHECK(bench.Write(LapicReg::kLdr, 0x02000000).identity_changed);
  CHECK_FALSE(bench.Write(LapicReg::kLdr, 0x02000000).identity_changed);
  CHECK(bench.Write(LapicReg::kDfr, 0x0fffffff).identity_changed);
  CHECK(bench.Write(LapicReg::kSvr, 0xff).identity_changed);
  CHECK_FALSE(bench.Write(LapicReg::kSvr, 0xfe).identity_changed);
  const Identity identity = bench.lapic.identity();
  CHECK(identity.id == 3);
  CHECK(identity.ldr == 0x02000000);
  CHECK(identity.model == LogicalModel::kCluster);
  CHECK(identity.mode == ApicMode::kXapic);
  CHECK_FALSE(identity.software_enabled);
}

}  // namespace muster::apic
