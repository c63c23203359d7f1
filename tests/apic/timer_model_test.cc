#include <random>

#include <catch2/catch.hpp>

#include <muster/apic/lapic_timer.h>

namespace muster::apic {
namespace {

/// The count as hardware has it: one step for each tick of the divided clock.
class TickingTimer {
 public:
  void Tick() {
    if (count_ == 0 || ++phase_ < divider_) return;
    phase_ = 0;
    if (--count_ != 0) return;
    ++expired_;
    if (periodic_) count_ = initial_;
  }
  void SetPeriodic(bool periodic) { periodic_ = periodic; }
  void SetDivider(uint32_t divider) {
    if (divider == divider_) return;
    divider_ = divider;
    phase_ = 0;
  }
  void SetInitial(uint32_t count) {
    initial_ = count_ = count;
    phase_ = 0;
  }
  uint32_t count() const { return count_; }
  uint64_t expired() const { return expired_; }

 private:
  bool periodic_ = false;
  uint32_t divider_ = 2;
  uint32_t phase_ = 0;
  uint32_t initial_ = 0;
  uint32_t count_ = 0;
  uint64_t expired_ = 0;
};

}  // namespace

TEST_CASE("the timer agrees with one that ticks, under random use") {
  std::mt19937 random(20);
  const auto below = [&random](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  for (int run = 0; run < 200; ++run) {
    LapicTimer timer;
    TickingTimer reference;
    Now now{.ns = below(1000)};
    uint64_t expired = 0;
    for (int step = 0; step < 200; ++step) {
      const uint32_t ticks = below(below(4) == 0 ? 500 : 20);
      for (uint32_t i = 0; i < ticks; ++i) reference.Tick();
      now.ns += ticks;
      expired += timer.Advance(now);
      REQUIRE(expired == reference.expired());
      REQUIRE(timer.CurrentCount(now) == reference.count());
      REQUIRE(timer.Next().has_value() == (reference.count() != 0));
      switch (below(6)) {
        case 0: {
          const DivideConfiguration divide(below(4) | (below(2) << 3));
          timer.SetDivide(divide, now);
          reference.SetDivider(divide.Divider());
          break;
        }
        case 1: {
          const uint32_t count = below(20);
          timer.SetInitialCount(count, now);
          reference.SetInitial(count);
          break;
        }
        case 2: {
          const bool periodic = below(2) != 0;
          timer.SetMode(periodic ? TimerMode::kPeriodic : TimerMode::kOneShot);
          reference.SetPeriodic(periodic);
          break;
        }
        default:
          break;
      }
    }
  }
}

}  // namespace muster::apic
