#pragma once

#include <absl/base/thread_annotations.h>
#include <array>
#include <cstdint>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/device/port_bus.h>
#include <muster/vmm/device/rtc.h>

namespace muster::vmm {

// The MC146818 behind ports 0x70 (index) and 0x71 (data): the clock's registers, and 114 bytes that
// outlive a soft reset.
class Cmos : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0x70;
  static constexpr uint16_t kPorts = 2;

  // Tells the RAM where PC firmware and kernels look for it.
  Cmos(Rtc& clock, uint64_t ram_below_4g, uint64_t ram_above_4g);

  uint32_t Read(uint16_t offset, int size) override;
  void Write(uint16_t offset, int size, uint32_t value) override;

 private:
  Rtc& clock_;
  sync::Mutex mutex_;
  uint8_t index_ ABSL_GUARDED_BY(mutex_) = 0;
  std::array<uint8_t, 128> memory_ ABSL_GUARDED_BY(mutex_){};
};

}  // namespace muster::vmm
