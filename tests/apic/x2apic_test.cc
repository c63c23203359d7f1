#include <map>

#include <catch2/catch.hpp>

#include "lapic_bench.h"

namespace muster::apic {
namespace {

constexpr uint64_t kNone = ~uint64_t{0};

struct Rights {
  bool read;
  uint64_t reserved;  ///< bits that are #GP when set; kNone where no write is legal
};

/// SDM, "Local APIC Register Address Map Supported by x2APIC".
const std::map<uint32_t, Rights>& Map() {
  static const auto* const map = [] {
    auto* const m = new std::map<uint32_t, Rights>{
        {0x802, {true, kNone}},
        {0x803, {true, kNone}},
        {0x808, {true, 0xffffffffffffff00}},
        {0x80a, {true, kNone}},
        {0x80d, {true, kNone}},
        {0x80f, {true, 0xfffffffffffffc00}},
        {0x830, {true, 0x00000000fff33000}},
        {0x832, {true, 0xfffffffffff8ef00}},
        {0x833, {true, 0xfffffffffffee800}},
        {0x834, {true, 0xfffffffffffee800}},
        {0x835, {true, 0xfffffffffffe0800}},
        {0x836, {true, 0xfffffffffffe0800}},
        {0x837, {true, 0xfffffffffffeef00}},
        {0x838, {true, 0xffffffff00000000}},
        {0x839, {true, kNone}},
        {0x83e, {true, 0xfffffffffffffff4}},
        {0x83f, {false, 0xffffffffffffff00}},
    };
    for (uint32_t msr = 0x810; msr < 0x828; ++msr) (*m)[msr] = {true, kNone};
    return m;
  }();
  return *map;
}

}  // namespace

TEST_CASE("each x2APIC MSR is readable or #GP as the manual's map has it") {
  LapicBench bench = LapicBench::X2Apic();
  for (uint32_t msr = 0x800; msr < 0x900; ++msr) {
    CAPTURE(msr);
    const bool readable = msr == 0x828 || (Map().contains(msr) && Map().at(msr).read);
    CHECK(bench.lapic.MsrRead(msr, bench.now).has_value() == readable);
  }
  CHECK(bench.lapic.counters() == LapicCounters());
}

TEST_CASE("each x2APIC MSR refuses each reserved bit with #GP, and nothing changes") {
  LapicBench bench = LapicBench::X2Apic();
  for (uint32_t msr = 0x800; msr < 0x900; ++msr) {
    if (msr == 0x80b || msr == 0x828) continue;  // Zero only; below.
    const uint64_t reserved = Map().contains(msr) ? Map().at(msr).reserved : kNone;
    for (unsigned bit = 0; bit < 64; ++bit) {
      CAPTURE(msr, bit);
      const Lapic before = bench.lapic;
      const bool legal = (reserved >> bit & 1) == 0;
      CHECK(bench.lapic.MsrWrite(msr, uint64_t{1} << bit, bench.now).has_value() == legal);
      if (!legal) CHECK(bench.lapic == before);
      bench.lapic = before;
    }
    CHECK(bench.lapic.MsrWrite(msr, 0, bench.now).has_value() == (reserved != kNone));
  }
}

TEST_CASE("EOI and ESR take nothing but zero, and EOI is write-only") {
  LapicBench bench = LapicBench::X2Apic();
  bench.Serve(0x61, TriggerMode::kLevel);
  CHECK_FALSE(bench.Msr(LapicReg::kEoi, 1));
  CHECK_FALSE(bench.Msr(LapicReg::kEoi, uint64_t{1} << 32));
  CHECK(bench.lapic.isr().Contains(0x61));
  CHECK(bench.Msr(LapicReg::kEoi, 0)->eoi == 0x61);
  CHECK_FALSE(bench.Msr(LapicReg::kEoi));
  CHECK_FALSE(bench.Msr(LapicReg::kEsr, 1));
  CHECK(bench.Msr(LapicReg::kEsr, 0));
}

TEST_CASE("the x2APIC MSRs are #GP in xAPIC mode") {
  LapicBench bench = LapicBench::Xapic();
  for (uint32_t msr = 0x800; msr < 0x900; ++msr) {
    CHECK_FALSE(bench.lapic.MsrRead(msr, bench.now));
    CHECK_FALSE(bench.lapic.MsrWrite(msr, 0, bench.now));
  }
}

TEST_CASE("MSRs around those of the APIC are not its own") {
  LapicBench bench = LapicBench::X2Apic();
  for (const uint32_t msr : {0x1au, 0x1cu, 0x6dfu, 0x6e1u, 0x7ffu, 0x900u, ~0u}) {
    CHECK_FALSE(bench.lapic.MsrRead(msr, bench.now));
    CHECK_FALSE(bench.lapic.MsrWrite(msr, 0, bench.now));
  }
}

TEST_CASE("the page is not there in x2APIC mode") {
  LapicBench bench = LapicBench::X2Apic();
  CHECK_FALSE(bench.lapic.MmioPage());
  CHECK(bench.Read(LapicReg::kVersion) == 0xffffffff);
  bench.Write(LapicReg::kTpr, 0x50);
  CHECK(bench.lapic.tpr() == 0);
}

TEST_CASE("the reserved timer mode is #GP in x2APIC mode and stops the timer in xAPIC mode") {
  LapicBench x2apic = LapicBench::X2Apic();
  CHECK_FALSE(x2apic.Msr(LapicReg::kLvtTimer, 0x60030));
  LapicBench xapic = LapicBench::Xapic();
  xapic.Write(LapicReg::kLvtTimer, 0x30);
  xapic.Write(LapicReg::kInitialCount, 100);
  CHECK(xapic.Write(LapicReg::kLvtTimer, 0x60030).timer_changed);
  CHECK_FALSE(xapic.lapic.NextDeadline());
}

TEST_CASE("read-only bits of an LVT entry may be written and do not change") {
  LapicBench bench = LapicBench::X2Apic();
  REQUIRE(bench.Msr(LapicReg::kLvtLint0, 0xd030));
  CHECK(bench.Msr(LapicReg::kLvtLint0) == 0x8030);
}

TEST_CASE("the x2APIC ICR is one 64-bit register: one write sends, a read gives it back") {
  LapicBench bench = LapicBench::X2Apic();
  const std::optional<Effects> effects = bench.Msr(LapicReg::kIcrLow, 0x0000012c'00004855);
  REQUIRE(effects);
  REQUIRE(effects->ipi);
  CHECK(effects->ipi->message.destination == 0x12c);
  CHECK(effects->ipi->message.x2apic);
  CHECK(effects->ipi->message.destination_mode == DestinationMode::kLogical);
  CHECK(bench.Msr(LapicReg::kIcrLow) == 0x0000012c'00004855);
}

TEST_CASE("SELF IPI is accepted at once, as an edge") {
  LapicBench bench = LapicBench::X2Apic();
  CHECK(bench.Msr(LapicReg::kSelfIpi, 0x77) == Effects());
  CHECK(bench.lapic.Deliverable() == 0x77);
  CHECK_FALSE(bench.lapic.tmr().Contains(0x77));
  CHECK_FALSE(bench.Msr(LapicReg::kSelfIpi));
}

}  // namespace muster::apic
