#pragma once

#include <atomic>

#include <muster/vmm/device/port_bus.h>
#include <muster/vmm/device/run_control.h>

namespace muster::vmm {

// The ways in which a PC resets itself, but for the keyboard controller's. What resets the
// processors alone is carried out; what resets the whole machine ends the run.

// System control port A: bit 0 pulses the processors' reset line and falls by itself; bit 1, gate
// A20, is just kept.
class SystemControlA : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0x92;

  explicit SystemControlA(RunControl& control) : control_(control) {}

  uint32_t Read(uint16_t, int) override { return value_.load(std::memory_order_relaxed); }
  void Write(uint16_t, int, uint32_t value) override {
    // Relaxed: the value orders nothing else.
    value_.store(value & ~1u, std::memory_order_relaxed);
    if (value & 1) control_.SoftReset();
  }

 private:
  RunControl& control_;
  std::atomic<uint32_t> value_{2};
};

// Reset control register of Intel's chipsets, which ACPI tables name as the reset register too: bit
// 2 resets, the processors alone where bit 1 is 0, the whole machine where it is 1.
class ResetControl : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0xcf9;

  explicit ResetControl(RunControl& control) : control_(control) {}

  uint32_t Read(uint16_t, int) override { return value_.load(std::memory_order_relaxed); }
  void Write(uint16_t, int, uint32_t value) override {
    value_.store(value & 2, std::memory_order_relaxed);  // it orders nothing else
    if (!(value & 4)) return;
    if (value & 2) {
      control_.End({.kind = Ending::Kind::kReset, .detail = "reset control register, port 0xcf9"});
    } else {
      control_.SoftReset();
    }
  }

 private:
  RunControl& control_;
  std::atomic<uint32_t> value_{0};
};

}  // namespace muster::vmm
