#pragma once

#include <muster/vmm/device/device_timer.h>

namespace muster::vmm {

// A clock that a test turns.
struct FakeTimer : DeviceTimer {
  uint64_t NowNs() override { return now; }
  void Arm(uint64_t deadline_ns) override { deadline = deadline_ns; }
  bool due() const { return now >= deadline; }

  uint64_t now = 1'000'000'000;
  uint64_t deadline = kNever;
};

}  // namespace muster::vmm
