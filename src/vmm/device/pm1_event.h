#pragma once

#include <array>
#include <atomic>

#include <muster/vmm/device/port_bus.h>

namespace muster::vmm {

// The ACPI PM1a event block, bytes: status, of which nothing is ever set (no button, no wake-up, no
// global lock of the firmware's), then enable, which keeps what is written, for kernels look
// whether it does. ACPI Specification, "PM1 Event Grouping".
class Pm1Event : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0x600;
  static constexpr uint16_t kPorts = 4;

  uint32_t Read(uint16_t offset, int) override {
    return offset < kEnable ? 0 : enable_[offset - kEnable].load(std::memory_order_relaxed);
  }
  void Write(uint16_t offset, int, uint32_t value) override {
    if (offset < kEnable) return;  // writing 1 clears what is 0 anyway
    // Relaxed: it orders nothing else.
    enable_[offset - kEnable].store(static_cast<uint8_t>(value), std::memory_order_relaxed);
  }

 private:
  static constexpr uint16_t kEnable = 2;

  std::array<std::atomic<uint8_t>, 2> enable_{};
};

}  // namespace muster::vmm
