#include <array>

#include <catch2/catch.hpp>

#include "lapic_bench.h"

namespace muster::apic {
namespace {
using Accepted = Lapic::Accepted;
constexpr auto kEdge = TriggerMode::kEdge;
constexpr auto kLevel = TriggerMode::kLevel;
}  // namespace

TEST_CASE("an accepted interrupt waits in IRR, is served in ISR, and leaves at EOI") {
  LapicBench bench = LapicBench::Xapic();
  CHECK(bench.lapic.Accept(0x41, kEdge) == Accepted::kNew);
  CHECK(bench.lapic.AnyPending());
  CHECK(bench.Read(LapicReg::kIrr + 2) == 1u << 1);
  REQUIRE(bench.lapic.Deliverable() == 0x41);
  bench.lapic.Acknowledge(0x41);
  CHECK_FALSE(bench.lapic.AnyPending());
  CHECK(bench.Read(LapicReg::kIrr + 2) == 0);
  CHECK(bench.Read(LapicReg::kIsr + 2) == 1u << 1);
  CHECK(bench.Write(LapicReg::kEoi, 0) == Effects());
  CHECK(bench.Read(LapicReg::kIsr + 2) == 0);
}

TEST_CASE("edges that meet in IRR merge, one more may wait while one is served") {
  LapicBench bench = LapicBench::Xapic();
  CHECK(bench.lapic.Accept(0x41, kEdge) == Accepted::kNew);
  CHECK(bench.lapic.Accept(0x41, kEdge) == Accepted::kMerged);
  bench.lapic.Acknowledge(0x41);
  CHECK(bench.lapic.Accept(0x41, kEdge) == Accepted::kNew);
  CHECK_FALSE(bench.lapic.Deliverable());
  bench.Write(LapicReg::kEoi, 0);
  CHECK(bench.lapic.Deliverable() == 0x41);
  CHECK(bench.lapic.counters().accepted == 2);
  CHECK(bench.lapic.counters().merged == 1);
}

TEST_CASE("the highest vector goes first") {
  LapicBench bench = LapicBench::Xapic();
  for (const uint8_t vector : std::array<uint8_t, 3>{0x31, 0xef, 0x80})
    bench.lapic.Accept(vector, kEdge);
  for (const uint8_t vector : std::array<uint8_t, 3>{0xef, 0x80, 0x31}) {
    REQUIRE(bench.lapic.Deliverable() == vector);
    bench.lapic.Acknowledge(vector);
    bench.Write(LapicReg::kEoi, 0);
  }
}

TEST_CASE("only a higher class interrupts a handler") {
  LapicBench bench = LapicBench::Xapic();
  bench.Serve(0x41);
  bench.lapic.Accept(0x4f, kEdge);
  CHECK_FALSE(bench.lapic.Deliverable());
  bench.lapic.Accept(0x50, kEdge);
  REQUIRE(bench.lapic.Deliverable() == 0x50);
  bench.lapic.Acknowledge(0x50);
  CHECK(bench.Read(LapicReg::kPpr) == 0x50);
  bench.Write(LapicReg::kEoi, 0);
  CHECK(bench.Read(LapicReg::kPpr) == 0x40);
  bench.Write(LapicReg::kEoi, 0);
  CHECK(bench.lapic.Deliverable() == 0x4f);
}

TEST_CASE("TPR holds back its class and those below") {
  LapicBench bench = LapicBench::Xapic();
  bench.lapic.Accept(0x5a, kEdge);
  bench.Write(LapicReg::kTpr, 0x50);
  CHECK_FALSE(bench.lapic.Deliverable());
  CHECK(bench.lapic.AnyPending());
  bench.Write(LapicReg::kTpr, 0x4f);
  CHECK(bench.lapic.Deliverable() == 0x5a);
}

TEST_CASE("PPR is TPR where its class is not below the served one, else that class") {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kTpr, 0x27);
  CHECK(bench.Read(LapicReg::kPpr) == 0x27);
  bench.Serve(0x55);
  CHECK(bench.Read(LapicReg::kPpr) == 0x50);
  bench.Write(LapicReg::kTpr, 0x53);
  CHECK(bench.Read(LapicReg::kPpr) == 0x53);
  bench.Write(LapicReg::kTpr, 0x61);
  CHECK(bench.Read(LapicReg::kPpr) == 0x61);
}

TEST_CASE("APR weighs TPR, IRR and ISR") {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kTpr, 0x35);
  CHECK(bench.Read(LapicReg::kApr) == 0x35);
  bench.lapic.Accept(0x81, kEdge);
  CHECK(bench.Read(LapicReg::kApr) == 0x80);
  bench.lapic.Acknowledge(0x81);
  CHECK(bench.Read(LapicReg::kApr) == 0);
  bench.Write(LapicReg::kTpr, 0xc4);
  CHECK(bench.Read(LapicReg::kApr) == 0xc4);
  bench.Write(LapicReg::kTpr, 0);
  bench.Serve(0xc1);
  bench.Write(LapicReg::kTpr, 0xa4);
  CHECK(bench.Read(LapicReg::kApr) == (0xa0 & 0xc0));
}

TEST_CASE("CR8 is the upper half of TPR and clears the lower") {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kTpr, 0x57);
  CHECK(bench.lapic.cr8() == 5);
  bench.lapic.SetCr8(9);
  CHECK(bench.Read(LapicReg::kTpr) == 0x90);
}

TEST_CASE("EOI of a level vector goes to the I/O APICs, that of an edge does not") {
  LapicBench bench = LapicBench::Xapic();
  bench.Serve(0x61, kLevel);
  bench.Serve(0x72, kEdge);
  CHECK_FALSE(bench.Write(LapicReg::kEoi, 0).eoi);
  CHECK(bench.Write(LapicReg::kEoi, 0).eoi == 0x61);
  CHECK_FALSE(bench.Write(LapicReg::kEoi, 0).eoi);
}

TEST_CASE("the trigger mode in TMR is that of the last acceptance") {
  LapicBench bench = LapicBench::Xapic();
  bench.lapic.Accept(0x61, kLevel);
  CHECK(bench.Read(LapicReg::kTmr + 3) == 1u << 1);
  bench.lapic.Accept(0x61, kEdge);
  CHECK(bench.Read(LapicReg::kTmr + 3) == 0);
}

TEST_CASE("EOI ends the highest vector in service") {
  LapicBench bench = LapicBench::Xapic();
  bench.Serve(0x41);
  bench.Serve(0x81);
  bench.Write(LapicReg::kEoi, 0x41);  // The value says nothing.
  CHECK_FALSE(bench.lapic.isr().Contains(0x81));
  CHECK(bench.lapic.isr().Contains(0x41));
}

TEST_CASE("a disabled APIC discards fixed interrupts, and says so for level mail") {
  LapicBench bench(LapicBench::Config());
  REQUIRE_FALSE(bench.lapic.software_enabled());
  CHECK(bench.lapic.Accept(0x41, kLevel) == Accepted::kDiscarded);
  bench.Write(LapicReg::kSvr, 0x1ff);
  CHECK_FALSE(bench.lapic.AnyPending());
  CHECK(bench.lapic.Accept(0x41, kLevel) == Accepted::kNew);
  bench.SetApicBase(kDefaultApicBase);
  CHECK(bench.lapic.Accept(0x42, kEdge) == Accepted::kDiscarded);
  CHECK(bench.lapic.counters().discarded == 2);
}

TEST_CASE("software disable keeps what was accepted before") {
  LapicBench bench = LapicBench::Xapic();
  bench.Serve(0x81);
  bench.lapic.Accept(0x91, kEdge);
  bench.Write(LapicReg::kSvr, 0xff);
  CHECK(bench.lapic.irr().Contains(0x91));
  CHECK(bench.lapic.isr().Contains(0x81));
  CHECK(bench.lapic.Deliverable() == 0x91);
}

TEST_CASE("an illegal vector is not accepted but logged") {
  LapicBench bench = LapicBench::Xapic();
  for (uint8_t vector = 0; vector < 16; ++vector) {
    CHECK(bench.lapic.Accept(vector, kEdge) == Accepted::kDiscarded);
    CHECK(bench.Errors() == Esr::ReceiveIllegalVector::kMask);
  }
  CHECK_FALSE(bench.lapic.AnyPending());
  CHECK(bench.lapic.Accept(16, kEdge) == Accepted::kNew);
  CHECK(bench.lapic.counters().illegal_vectors == 16);
}

}  // namespace muster::apic
