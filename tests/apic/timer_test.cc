#include <catch2/catch.hpp>

#include "lapic_bench.h"

namespace muster::apic {
namespace {

constexpr uint32_t kVector = 0x30;
constexpr uint32_t kMasked = 1u << 16;
constexpr uint32_t kPeriodic = 1u << 17;
constexpr uint32_t kTscDeadline = 2u << 17;
constexpr uint32_t kDivideBy1 = 0xb;

LapicBench WithTimer(uint32_t entry) {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kDivideConfiguration, kDivideBy1);
  bench.Write(LapicReg::kLvtTimer, entry);
  return bench;
}

/// Whether the timer's vector has come since the last call; serves it.
bool Fired(LapicBench& bench) {
  bench.lapic.TimerExpired(bench.now);
  if (bench.lapic.Deliverable() != kVector) return false;
  bench.lapic.Acknowledge(kVector);
  bench.Write(LapicReg::kEoi, 0);
  return true;
}

std::optional<uint64_t> NextNs(const LapicBench& bench) {
  const std::optional<Deadline> deadline = bench.lapic.NextDeadline();
  if (!deadline || deadline->clock != Deadline::Clock::kNs) return std::nullopt;
  return deadline->value;
}

std::optional<Effects> SetDeadline(LapicBench& bench, uint64_t tsc) {
  return bench.lapic.MsrWrite(kMsrTscDeadline, tsc, bench.now);
}
uint64_t ReadDeadline(LapicBench& bench) {
  return bench.lapic.MsrRead(kMsrTscDeadline, bench.now).value();
}

}  // namespace

TEST_CASE("a one-shot timer fires once, then reads 0") {
  LapicBench bench = WithTimer(kVector);
  CHECK(bench.Write(LapicReg::kInitialCount, 1000).timer_changed);
  CHECK(NextNs(bench) == bench.now.ns + 1000);
  CHECK(bench.Read(LapicReg::kCurrentCount) == 1000);
  bench.now.ns += 999;
  CHECK(bench.Read(LapicReg::kCurrentCount) == 1);
  CHECK_FALSE(Fired(bench));
  bench.now.ns += 1;
  CHECK(bench.Read(LapicReg::kCurrentCount) == 0);
  CHECK(Fired(bench));
  CHECK_FALSE(bench.lapic.NextDeadline());
  bench.now.ns += 1'000'000;
  CHECK_FALSE(Fired(bench));
  CHECK(bench.Read(LapicReg::kInitialCount) == 1000);
}

TEST_CASE("whoever reads a count of 0 finds the interrupt in IRR") {
  LapicBench bench = WithTimer(kVector);
  bench.Write(LapicReg::kInitialCount, 1000);
  bench.now.ns += 1000;
  REQUIRE(bench.Read(LapicReg::kCurrentCount) == 0);
  CHECK(bench.Read(LapicReg::kIrr + 1) == 1u << (kVector - 32));
}

TEST_CASE("each of the eight dividers") {
  struct Row {
    uint32_t dcr, divider;
  };
  const Row row = GENERATE(values<Row>(
      {{0x0, 2}, {0x1, 4}, {0x2, 8}, {0x3, 16}, {0x8, 32}, {0x9, 64}, {0xa, 128}, {0xb, 1}}));
  LapicBench bench = WithTimer(kVector);
  bench.Write(LapicReg::kDivideConfiguration, row.dcr);
  CHECK(bench.Read(LapicReg::kDivideConfiguration) == row.dcr);
  bench.Write(LapicReg::kInitialCount, 100);
  CHECK(NextNs(bench) == bench.now.ns + 100 * row.divider);
  bench.now.ns += 10 * row.divider;
  CHECK(bench.Read(LapicReg::kCurrentCount) == 90);
  bench.now.ns += 90 * row.divider - 1;
  CHECK(bench.Read(LapicReg::kCurrentCount) == 1);
  CHECK_FALSE(Fired(bench));
  bench.now.ns += 1;
  CHECK(Fired(bench));
}

TEST_CASE("an initial count of 0 stops the timer") {
  for (const uint32_t mode : {0u, kPeriodic}) {
    LapicBench bench = WithTimer(kVector | mode);
    bench.Write(LapicReg::kInitialCount, 1000);
    CHECK(bench.Write(LapicReg::kInitialCount, 0).timer_changed);
    CHECK_FALSE(bench.lapic.NextDeadline());
    CHECK(bench.Read(LapicReg::kCurrentCount) == 0);
    bench.now.ns += 5000;
    CHECK_FALSE(Fired(bench));
  }
}

TEST_CASE("writing the initial count starts anew") {
  LapicBench bench = WithTimer(kVector);
  bench.Write(LapicReg::kInitialCount, 1000);
  bench.now.ns += 900;
  bench.Write(LapicReg::kInitialCount, 1000);
  CHECK(bench.Read(LapicReg::kCurrentCount) == 1000);
  bench.now.ns += 999;
  CHECK_FALSE(Fired(bench));
}

TEST_CASE("a periodic timer keeps its phase however late it is looked at") {
  LapicBench bench = WithTimer(kVector | kPeriodic);
  const uint64_t start = bench.now.ns;
  bench.Write(LapicReg::kInitialCount, 100'000);
  for (uint64_t period = 1; period <= 50; ++period) {
    REQUIRE(NextNs(bench) == start + period * 100'000);
    bench.now.ns = start + period * 100'000 + 1000 * period;
    REQUIRE(bench.Read(LapicReg::kCurrentCount) == 100'000 - 1000 * period);
    REQUIRE(Fired(bench));
  }
}

TEST_CASE("missed periods are one interrupt, and counted") {
  LapicBench bench = WithTimer(kVector | kPeriodic);
  bench.Write(LapicReg::kInitialCount, 100'000);
  bench.now.ns += 1'050'000;
  CHECK(Fired(bench));
  CHECK_FALSE(Fired(bench));
  CHECK(bench.lapic.counters().merged_periods == 9);
  CHECK(bench.Read(LapicReg::kCurrentCount) == 50'000);
}

TEST_CASE("a period of a nanosecond does not ask for a wake-up each nanosecond") {
  LapicBench bench = WithTimer(kVector | kPeriodic);
  bench.Write(LapicReg::kInitialCount, 1);
  for (int i = 0; i < 10; ++i) {
    const std::optional<uint64_t> next = NextNs(bench);
    REQUIRE(next);
    if (i > 0) REQUIRE(*next >= bench.now.ns + LapicTimer::kShortestWakeNs);
    bench.now.ns = *next;
    REQUIRE(Fired(bench));
  }
}

TEST_CASE("a stale or early expiry does nothing but have the timer armed again") {
  LapicBench bench = WithTimer(kVector);
  bench.Write(LapicReg::kInitialCount, 1000);
  bench.now.ns += 500;
  CHECK(bench.lapic.TimerExpired(bench.now).timer_changed);
  CHECK_FALSE(bench.lapic.AnyPending());
  CHECK(NextNs(bench) == bench.now.ns + 500);
  bench.lapic.Init();
  bench.now.ns += 5000;
  bench.lapic.TimerExpired(bench.now);
  CHECK_FALSE(bench.lapic.AnyPending());
}

TEST_CASE("a masked timer counts without waking anyone, and its expiry leaves no trace") {
  LapicBench bench = WithTimer(kVector);
  bench.Write(LapicReg::kInitialCount, 1000);
  CHECK(bench.Write(LapicReg::kLvtTimer, kVector | kMasked).timer_changed);
  CHECK_FALSE(bench.lapic.NextDeadline());
  bench.now.ns += 400;
  CHECK(bench.Read(LapicReg::kCurrentCount) == 600);
  CHECK(bench.Write(LapicReg::kLvtTimer, kVector).timer_changed);
  CHECK(NextNs(bench) == bench.now.ns + 600);
  bench.Write(LapicReg::kLvtTimer, kVector | kMasked);
  bench.now.ns += 2000;
  bench.Write(LapicReg::kLvtTimer, kVector);
  CHECK_FALSE(Fired(bench));
  CHECK_FALSE(bench.lapic.NextDeadline());
}

TEST_CASE("a masked periodic timer keeps its phase") {
  LapicBench bench = WithTimer(kVector | kPeriodic | kMasked);
  const uint64_t start = bench.now.ns;
  bench.Write(LapicReg::kInitialCount, 100'000);
  bench.now.ns += 250'000;
  bench.Write(LapicReg::kLvtTimer, kVector | kPeriodic);
  CHECK(NextNs(bench) == start + 300'000);
  CHECK_FALSE(Fired(bench));
  CHECK(bench.lapic.counters().merged_periods == 0);
}

TEST_CASE("software disable masks the timer") {
  LapicBench bench = WithTimer(kVector);
  bench.Write(LapicReg::kInitialCount, 1000);
  CHECK(bench.Write(LapicReg::kSvr, 0xff).timer_changed);
  CHECK_FALSE(bench.lapic.NextDeadline());
  bench.now.ns += 2000;
  bench.lapic.TimerExpired(bench.now);
  CHECK_FALSE(bench.lapic.AnyPending());
}

TEST_CASE("a change of the divider keeps the current count") {
  LapicBench bench = WithTimer(kVector);
  bench.Write(LapicReg::kInitialCount, 1000);
  bench.now.ns += 400;
  CHECK(bench.Write(LapicReg::kDivideConfiguration, 0x0).timer_changed);
  CHECK(bench.Read(LapicReg::kCurrentCount) == 600);
  CHECK(NextNs(bench) == bench.now.ns + 1200);
}

TEST_CASE("between one-shot and periodic the count in progress goes on") {
  LapicBench bench = WithTimer(kVector);
  bench.Write(LapicReg::kInitialCount, 100'000);
  bench.now.ns += 40'000;
  bench.Write(LapicReg::kLvtTimer, kVector | kPeriodic);
  CHECK(bench.Read(LapicReg::kCurrentCount) == 60'000);
  bench.now.ns += 60'000;
  CHECK(Fired(bench));
  CHECK(bench.Read(LapicReg::kCurrentCount) == 100'000);
  bench.Write(LapicReg::kLvtTimer, kVector);
  bench.now.ns += 100'000;
  CHECK(Fired(bench));
  CHECK_FALSE(bench.lapic.NextDeadline());
}

TEST_CASE("the TSC deadline fires at its time and then reads 0") {
  LapicBench bench = WithTimer(kVector | kTscDeadline);
  const uint64_t deadline = bench.now.tsc + 1000;
  REQUIRE(SetDeadline(bench, deadline)->timer_changed);
  CHECK(bench.lapic.NextDeadline() == Deadline{Deadline::Clock::kTsc, deadline});
  CHECK(ReadDeadline(bench) == deadline);
  bench.now.tsc = deadline - 1;
  bench.now.ns += 1'000'000'000;
  CHECK_FALSE(Fired(bench));
  bench.now.tsc = deadline;
  CHECK(ReadDeadline(bench) == 0);
  CHECK(Fired(bench));
  CHECK_FALSE(bench.lapic.NextDeadline());
}

TEST_CASE("a TSC deadline in the past fires at once") {
  LapicBench bench = WithTimer(kVector | kTscDeadline);
  SetDeadline(bench, 1);
  CHECK(bench.lapic.Deliverable() == kVector);
  CHECK(ReadDeadline(bench) == 0);
  CHECK_FALSE(bench.lapic.NextDeadline());
}

TEST_CASE("a TSC deadline of 0 disarms") {
  LapicBench bench = WithTimer(kVector | kTscDeadline);
  SetDeadline(bench, bench.now.tsc + 1000);
  CHECK(SetDeadline(bench, 0)->timer_changed);
  CHECK_FALSE(bench.lapic.NextDeadline());
  bench.now.tsc += 2000;
  CHECK_FALSE(Fired(bench));
}

TEST_CASE("outside TSC-deadline mode its MSR ignores writes and reads 0") {
  LapicBench bench = WithTimer(kVector | kPeriodic);
  REQUIRE(SetDeadline(bench, bench.now.tsc + 1000));
  CHECK(ReadDeadline(bench) == 0);
  CHECK_FALSE(bench.lapic.NextDeadline());
}

TEST_CASE("in TSC-deadline mode the initial count ignores writes and the counts read 0") {
  LapicBench bench = WithTimer(kVector | kTscDeadline);
  SetDeadline(bench, bench.now.tsc + 1000);
  bench.Write(LapicReg::kInitialCount, 1000);
  CHECK(bench.Read(LapicReg::kInitialCount) == 0);
  CHECK(bench.Read(LapicReg::kCurrentCount) == 0);
  CHECK(ReadDeadline(bench) == bench.now.tsc + 1000);
}

TEST_CASE("changing to or from TSC-deadline mode disarms the timer") {
  LapicBench bench = WithTimer(kVector);
  bench.Write(LapicReg::kInitialCount, 1000);
  CHECK(bench.Write(LapicReg::kLvtTimer, kVector | kTscDeadline).timer_changed);
  CHECK_FALSE(bench.lapic.NextDeadline());
  CHECK(bench.Read(LapicReg::kInitialCount) == 0);
  SetDeadline(bench, bench.now.tsc + 1000);
  CHECK(bench.Write(LapicReg::kLvtTimer, kVector).timer_changed);
  CHECK_FALSE(bench.lapic.NextDeadline());
  bench.now.tsc += 5000;
  bench.now.ns += 5000;
  CHECK_FALSE(Fired(bench));
}

TEST_CASE("a timer with an illegal vector is an error each time it fires") {
  LapicBench bench = WithTimer(7);
  bench.Write(LapicReg::kInitialCount, 10);
  bench.now.ns += 10;
  bench.lapic.TimerExpired(bench.now);
  CHECK(bench.Errors() == Esr::ReceiveIllegalVector::kMask);
}

TEST_CASE("the longest count does not overflow") {
  LapicBench bench = WithTimer(kVector);
  bench.Write(LapicReg::kDivideConfiguration, 0xa);
  bench.Write(LapicReg::kInitialCount, 0xffffffff);
  CHECK(NextNs(bench) == bench.now.ns + 0xffffffffull * 128);
  CHECK(bench.Read(LapicReg::kCurrentCount) == 0xffffffff);
}

}  // namespace muster::apic
