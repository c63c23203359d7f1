#pragma once

#include <cstdint>

namespace muster::vmm {

// The machine's clock as one device has it: the time, and a deadline of the device's own. Any
// thread; a device may hold its lock.
class DeviceTimer {
 public:
  static constexpr uint64_t kNever = UINT64_MAX;

  virtual ~DeviceTimer() = default;

  // Nanoseconds, monotonic; they stand while the machine is paused.
  virtual uint64_t NowNs() = 0;

  // Has the device told, with no lock held, once NowNs() >= deadline_ns. Replaces the earlier
  // deadline; kNever cancels. It may be told of one that was replaced: it compares for itself.
  virtual void Arm(uint64_t deadline_ns) = 0;
};

}  // namespace muster::vmm
