#pragma once

#include <cstdint>
#include <optional>

#include <muster/apic/effects.h>
#include <muster/apic/lapic_regs.h>

namespace muster::apic {

/// A point in time of one of the two clocks.
struct Deadline {
  /// Guest TSC or nanoseconds: those of Now.
  enum class Clock : uint8_t { kNs, kTsc };
  Clock clock = Clock::kNs;
  uint64_t value = 0;

  bool operator==(const Deadline&) const = default;
};

/// The APIC timer (SDM, "APIC Timer"): counts in one-shot and periodic mode, or a TSC deadline. Its
/// input clock is 1 GHz, one nanosecond a tick before the divider.
///
/// Where the manual leaves it open: a change of the divider keeps the current count; a change
/// between one-shot and periodic takes effect when the count in progress ends; the reserved mode
/// stops the timer.
class LapicTimer {
 public:
  /// A period shorter than this does not wake its host once a period: expiries merge in the IRR
  /// anyway, and a guest that asks for one every nanosecond gets no more than it can take.
  static constexpr uint64_t kShortestWakeNs = 20'000;

  /// As after power-on: one-shot and stopped.
  void Reset() { *this = LapicTimer(); }

  /// Brings the timer to `now`: how often it has expired since it was last looked at. The other
  /// functions expect that this has been called with the same `now`.
  [[nodiscard]] uint64_t Advance(const Now& now);

  /// Between one-shot and periodic the count goes on; any other change stops the timer.
  void SetMode(TimerMode mode);
  /// The count goes on at the new rate.
  void SetDivide(DivideConfiguration divide, const Now& now);
  /// Starts the count; 0 stops it. Ignored in TSC-deadline mode.
  void SetInitialCount(uint32_t count, const Now& now);
  /// 0 disarms. Ignored in the other modes.
  void SetTscDeadline(uint64_t tsc);

  /// As SetMode() left it.
  TimerMode mode() const { return mode_; }
  /// As SetDivide() left it.
  DivideConfiguration divide() const { return divide_; }
  /// As SetInitialCount() left it; a change that stops the timer clears it.
  uint32_t initial_count() const { return initial_count_; }
  /// What is left of the count; 0 while stopped or in TSC-deadline mode.
  uint32_t CurrentCount(const Now& now) const;
  /// 0 while disarmed, or in another mode.
  uint64_t tsc_deadline() const { return mode_ == TimerMode::kTscDeadline ? deadline_ : 0; }

  /// When to call Advance() next; none while stopped.
  std::optional<Deadline> Next() const;

  bool operator==(const LapicTimer&) const = default;

 private:
  bool Counting() const { return mode_ == TimerMode::kOneShot || mode_ == TimerMode::kPeriodic; }

  TimerMode mode_ = TimerMode::kOneShot;
  DivideConfiguration divide_;
  uint32_t initial_count_ = 0;
  uint64_t deadline_ = 0;    ///< 0 while stopped; TSC in TSC-deadline mode, else ns
  uint64_t not_before_ = 0;  ///< ns; see kShortestWakeNs
};

}  // namespace muster::apic
