#include <algorithm>

#include <muster/apic/lapic_timer.h>

namespace muster::apic {

uint64_t LapicTimer::Advance(const Now& now) {
  if (deadline_ == 0) return 0;
  const uint64_t clock = mode_ == TimerMode::kTscDeadline ? now.tsc : now.ns;
  if (clock < deadline_) return 0;
  if (mode_ != TimerMode::kPeriodic) {
    deadline_ = 0;
    return 1;
  }
  // From the deadline, not from `now`: a late look does not shift the periods to come.
  const uint64_t period = uint64_t{initial_count_} * divide_.Divider();
  const uint64_t expired = 1 + (clock - deadline_) / period;
  deadline_ += expired * period;
  not_before_ = clock + kShortestWakeNs;
  return expired;
}

void LapicTimer::SetMode(TimerMode mode) {
  const bool was_counting = Counting();
  if (mode == mode_) return;
  mode_ = mode;
  if (was_counting && Counting()) return;
  deadline_ = 0;
  initial_count_ = 0;
}

void LapicTimer::SetDivide(DivideConfiguration divide, const Now& now) {
  if (divide == divide_) return;
  const uint64_t count = CurrentCount(now);
  divide_ = divide;
  if (count != 0) deadline_ = now.ns + count * divide_.Divider();
}

void LapicTimer::SetInitialCount(uint32_t count, const Now& now) {
  if (!Counting()) return;
  initial_count_ = count;
  deadline_ = count == 0 ? 0 : now.ns + uint64_t{count} * divide_.Divider();
  not_before_ = 0;
}

void LapicTimer::SetTscDeadline(uint64_t tsc) {
  if (mode_ == TimerMode::kTscDeadline) deadline_ = tsc;
}

uint32_t LapicTimer::CurrentCount(const Now& now) const {
  if (!Counting() || deadline_ <= now.ns) return 0;
  const uint64_t divider = divide_.Divider();
  return static_cast<uint32_t>((deadline_ - now.ns + divider - 1) / divider);
}

std::optional<Deadline> LapicTimer::Next() const {
  if (deadline_ == 0) return std::nullopt;
  switch (mode_) {
    case TimerMode::kTscDeadline:
      return Deadline{Deadline::Clock::kTsc, deadline_};
    case TimerMode::kPeriodic:
      return Deadline{Deadline::Clock::kNs, std::max(deadline_, not_before_)};
    default:
      return Deadline{Deadline::Clock::kNs, deadline_};
  }
}

}  // namespace muster::apic
