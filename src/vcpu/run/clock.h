#pragma once

#include <cstdint>

namespace muster::vcpu {

// Time as the vCPUs see it; the library's user provides one. Nanoseconds, monotonic, any origin.
// Nothing here throws: it is called in the middle of what has no way back.
class Clock {
 public:
  // The deadline that does not come.
  static constexpr uint64_t kNever = UINT64_MAX;

  virtual ~Clock() = default;

  // The time. By any thread, also several at once, with no lock held.
  virtual uint64_t NowNs() = 0;

  // Asks for Vm::TimerExpired(cpu) once NowNs() >= deadline_ns. Replaces the earlier deadline of
  // that vCPU; kNever cancels. A late or stale expiry is harmless: the vCPU compares for itself.
  // Called with no lock held, from the vCPU's thread or one that acts for it.
  virtual void Arm(int cpu, uint64_t deadline_ns) = 0;

  // The vCPUs stand still from Hold to Continue. For their timers to stand with them NowNs() does
  // not move meanwhile; a clock that ignores this lets the guest find that time has passed.
  virtual void Hold() {}
  // NowNs() moves on from where it stood.
  virtual void Continue() {}
};

}  // namespace muster::vcpu
