#pragma once

#include <absl/base/thread_annotations.h>
#include <array>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/device/port_bus.h>

namespace muster::vmm {

// The CRT controller's index and data ports, for kernels that keep the cursor there: registers that
// give back what was written, and no screen.
class Crtc : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0x3d4;
  static constexpr uint16_t kPorts = 2;

  uint32_t Read(uint16_t offset, int) override {
    sync::MutexLock lock(mutex_);
    return offset == 0 ? index_ : registers_[index_];
  }
  void Write(uint16_t offset, int, uint32_t value) override {
    sync::MutexLock lock(mutex_);
    (offset == 0 ? index_ : registers_[index_]) = static_cast<uint8_t>(value);
  }

 private:
  sync::Mutex mutex_;
  uint8_t index_ ABSL_GUARDED_BY(mutex_) = 0;
  std::array<uint8_t, 256> registers_ ABSL_GUARDED_BY(mutex_){};
};

}  // namespace muster::vmm
