#pragma once

#include <atomic>

#include <muster/vmm/device/pit.h>
#include <muster/vmm/device/port_bus.h>

namespace muster::vmm {

// System control port B (IBM PC AT Technical Reference): bit 0 gates the timer's counter 2, bit 1
// its way to the speaker, which there is none of; bits 2 and 3 are just kept. Reads tell the toggle
// of each refresh of memory in bit 4, and counter 2's OUT in bit 5.
class SystemControlB : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0x61;

  explicit SystemControlB(Pit& pit) : pit_(pit) {}

  uint32_t Read(uint16_t, int) override {
    constexpr uint64_t kRefreshNs = 15'085;
    const uint32_t refresh = static_cast<uint32_t>(pit_.NowNs() / kRefreshNs & 1) << 4;
    // Relaxed: it orders nothing else.
    return value_.load(std::memory_order_relaxed) | refresh | (pit_.SpeakerOut() ? 1u << 5 : 0);
  }
  void Write(uint16_t, int, uint32_t value) override {
    value_.store(value & 0xf, std::memory_order_relaxed);
    pit_.SetSpeakerGate((value & 1) != 0);
  }

 private:
  Pit& pit_;
  std::atomic<uint32_t> value_{0};
};

}  // namespace muster::vmm
