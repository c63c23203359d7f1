#include <random>

#include <catch2/catch.hpp>

#include "lapic_bench.h"

namespace muster::apic {
namespace {

constexpr LapicReg kPlausible[] = {
    LapicReg::kTpr,      LapicReg::kEoi,          LapicReg::kEoi,
    LapicReg::kEoi,      LapicReg::kLdr,          LapicReg::kDfr,
    LapicReg::kSvr,      LapicReg::kEsr,          LapicReg::kIcrLow,
    LapicReg::kIcrHigh,  LapicReg::kLvtTimer,     LapicReg::kLvtThermal,
    LapicReg::kLvtPmc,   LapicReg::kLvtLint0,     LapicReg::kLvtLint1,
    LapicReg::kLvtError, LapicReg::kInitialCount, LapicReg::kDivideConfiguration,
    LapicReg::kSelfIpi,
};

/// A guest, a bus and a clock that do anything at all.
class Chaos {
 public:
  explicit Chaos(uint32_t seed)
      : random_(seed),
        bench_({.id = static_cast<uint32_t>(seed * 37),
                .bootstrap = seed % 2 == 0,
                .x2apic = seed % 5 != 0,
                .tsc_deadline = seed % 3 != 0,
                .physical_address_bits = 40}) {}

  void Step() {
    bench_.now.ns += Below(1000);
    bench_.now.tsc += Below(3000);
    // The caller's timer thread: what is due has been looked at, so that from here on only the step
    // itself changes anything.
    bench_.lapic.TimerExpired(bench_.now);
    const Lapic before = bench_.lapic;
    switch (Below(16)) {
      case 0:
      case 1:
      case 2: {
        const LapicReg reg = Register();
        const uint64_t value = Value();
        CheckChange(before, bench_.Write(reg, static_cast<uint32_t>(value)));
        break;
      }
      case 3:
      case 4:
      case 5: {
        const LapicReg reg = Register();
        const uint64_t value = Value();
        CheckMsr(before, bench_.lapic.MsrWrite(MsrNumber(reg), value, bench_.now));
        break;
      }
      case 6: {
        const uint64_t base = Below(4) == 0 ? Value() : kXapicBase;
        const uint64_t mode = uint64_t{Below(4)} << 10;
        CheckMsr(before, bench_.SetApicBase(base ^ mode));
        break;
      }
      case 7:
        CheckMsr(before,
                 bench_.lapic.MsrWrite(kMsrTscDeadline, bench_.now.tsc + Below(5000), bench_.now));
        break;
      case 8:
        CheckReads(before);
        break;
      case 9:
        bench_.lapic.RaiseLvt(LapicReg::kLvtThermal + Below(4));
        break;
      case 10:
        if (Below(50) == 0) bench_.lapic.Init();
        break;
      case 11:
        Enable();
        break;
      default: {
        const auto vector = static_cast<uint8_t>(Below(256));
        bench_.lapic.Accept(vector, static_cast<TriggerMode>(Below(2)));
        Inject();
        break;
      }
    }
    const char* const broken = bench_.lapic.CheckInvariants();
    if (broken != nullptr) FAIL(broken);
  }

  const Lapic& lapic() const { return bench_.lapic; }
  uint64_t injected() const { return injected_; }

 private:
  // Drawn one to a statement: the order of arguments is the compiler's.
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }

  LapicReg Register() {
    if (Below(8) == 0) return static_cast<LapicReg>(Below(256));
    return kPlausible[Below(std::size(kPlausible))];
  }
  uint64_t Value() {
    switch (Below(5)) {
      case 0:
        return random_() & 0x1ff;
      case 1:
        return 0x100 | random_();
      case 2:
        return random_() & random_() & random_();
      case 3:
        return 0;
      default:
        return random_() & 0x000f'ffff;
    }
  }

  void CheckMsr(const Lapic& before, const std::optional<Effects>& effects) {
    if (effects) {
      CheckChange(before, *effects);
    } else {
      REQUIRE(bench_.lapic == before);
    }
  }

  void CheckChange(const Lapic& before, const Effects& effects) {
    REQUIRE(effects.identity_changed == (bench_.lapic.identity() != before.identity()));
    REQUIRE(effects.page_changed == (bench_.lapic.MmioPage() != before.MmioPage()));
    REQUIRE(effects.timer_changed == (bench_.lapic.NextDeadline() != before.NextDeadline()));
    if (effects.eoi) {
      REQUIRE(before.isr().Highest() == effects.eoi);
      REQUIRE(before.tmr().Contains(*effects.eoi));
    }
    if (effects.ipi) REQUIRE(effects.ipi->shorthand != Shorthand::kSelf);
  }

  /// What keeps the APIC from being disabled, and its task priority from being high, most of the
  /// time.
  void Enable() {
    bench_.SetApicBase(kXapicBase);
    bench_.Write(LapicReg::kSvr, 0x1ff);
    bench_.Msr(LapicReg::kSvr, 0x1ff);
    bench_.lapic.SetCr8(static_cast<uint8_t>(Below(4)));
  }

  /// An MSR read changes nothing. A read of the page changes nothing but the log of errors.
  void CheckReads(const Lapic& before) {
    for (uint32_t reg = 0; reg < 0x100; ++reg) {
      bench_.lapic.MsrRead(0x800 + reg, bench_.now);
    }
    REQUIRE(bench_.lapic == before);
    for (uint32_t offset = 0; offset < 0x3f0; offset += 1 + Below(9)) {
      if (offset < 0x20 || (offset > 0x38 && offset < 0x80)) continue;
      if (offset >= 0x288 && offset < 0x300) continue;
      if (offset >= 0x398) break;
      bench_.Load<uint64_t>(offset);
    }
    REQUIRE(bench_.lapic == before);
  }

  void Inject() {
    if (Below(2) == 0) return;
    const std::optional<uint8_t> vector = bench_.lapic.Deliverable();
    if (!vector) return;
    REQUIRE((*vector >> 4) > (bench_.lapic.ppr() >> 4));
    bench_.lapic.Acknowledge(*vector);
    ++injected_;
    REQUIRE(bench_.lapic.isr().Highest() == *vector);
    REQUIRE(bench_.lapic.ppr() >> 4 == *vector >> 4);
  }

  std::mt19937_64 random_;
  LapicBench bench_;
  uint64_t injected_ = 0;
};

}  // namespace

TEST_CASE("no sequence of accesses and interrupts breaks an invariant") {
  uint64_t injected = 0;
  uint64_t x2apic = 0;
  for (uint32_t seed = 0; seed < 64; ++seed) {
    CAPTURE(seed);
    Chaos chaos(seed);
    for (int step = 0; step < 4000; ++step) {
      chaos.Step();
      if (chaos.lapic().mode() == ApicMode::kX2apic) ++x2apic;
    }
    injected += chaos.injected();
  }
  // The steps reach what they are meant to reach.
  CHECK(injected > 1000);
  CHECK(x2apic > 1000);
}

TEST_CASE("a copy is a snapshot: it goes on as the original does") {
  Chaos original(7);
  for (int step = 0; step < 1000; ++step) original.Step();
  Chaos copy = original;
  for (int step = 0; step < 1000; ++step) {
    original.Step();
    copy.Step();
    REQUIRE(copy.lapic() == original.lapic());
  }
}

}  // namespace muster::apic
