#include <catch2/catch.hpp>

#include "lapic_bench.h"

namespace muster::apic {
namespace {

constexpr uint32_t kErrorVector = 0xe0;
constexpr auto kEdge = TriggerMode::kEdge;

LapicBench WithErrorEntry(uint32_t entry) {
  LapicBench bench = LapicBench::Xapic();
  bench.Write(LapicReg::kLvtError, entry);
  return bench;
}

}  // namespace

TEST_CASE("the ESR is read after a write, which latches what was logged since the last one") {
  LapicBench bench = LapicBench::Xapic();
  bench.lapic.Accept(3, kEdge);
  CHECK(bench.Read(LapicReg::kEsr) == 0);
  bench.Write(LapicReg::kEsr, 0);
  bench.Write(LapicReg::kIcrLow, 0x4003);
  CHECK(bench.Read(LapicReg::kEsr) == Esr::ReceiveIllegalVector::kMask);
  bench.Write(LapicReg::kEsr, 0xffffffff);  // Any value, in xAPIC mode.
  CHECK(bench.Read(LapicReg::kEsr) == Esr::SendIllegalVector::kMask);
  CHECK(bench.Read(LapicReg::kEsr) == Esr::SendIllegalVector::kMask);
  bench.Write(LapicReg::kEsr, 0);
  CHECK(bench.Read(LapicReg::kEsr) == 0);
}

TEST_CASE("errors add up until the write") {
  LapicBench bench = LapicBench::Xapic();
  bench.lapic.Accept(3, kEdge);
  bench.Write(LapicReg::kIcrLow, 0x4003);
  bench.Load<uint32_t>(0x3f0);
  CHECK(bench.Errors() == 0xe0);
}

TEST_CASE("an error raises the error entry's vector, once until the ESR is written") {
  LapicBench bench = WithErrorEntry(kErrorVector);
  bench.lapic.Accept(3, kEdge);
  REQUIRE(bench.lapic.Deliverable() == kErrorVector);
  bench.lapic.Acknowledge(kErrorVector);
  bench.Write(LapicReg::kEoi, 0);
  bench.lapic.Accept(3, kEdge);
  CHECK_FALSE(bench.lapic.AnyPending());
  bench.Write(LapicReg::kEsr, 0);
  bench.lapic.Accept(3, kEdge);
  CHECK(bench.lapic.Deliverable() == kErrorVector);
}

TEST_CASE("an error while the entry is masked does not spend the interrupt") {
  LapicBench bench = WithErrorEntry(kErrorVector | 1u << 16);
  bench.lapic.Accept(3, kEdge);
  CHECK_FALSE(bench.lapic.AnyPending());
  bench.Write(LapicReg::kLvtError, kErrorVector);
  bench.lapic.Accept(3, kEdge);
  CHECK(bench.lapic.Deliverable() == kErrorVector);
}

TEST_CASE("a load from a register that does not exist interrupts too") {
  LapicBench bench = WithErrorEntry(kErrorVector);
  bench.Load<uint32_t>(0x3f0);
  CHECK(bench.lapic.Deliverable() == kErrorVector);
}

TEST_CASE("an error entry with an illegal vector of its own ends there") {
  LapicBench bench = WithErrorEntry(5);
  bench.Load<uint32_t>(0x3f0);
  CHECK_FALSE(bench.lapic.AnyPending());
  CHECK(bench.Errors() == kMaskOf<Esr::IllegalRegisterAddress, Esr::ReceiveIllegalVector>);
}

}  // namespace muster::apic
