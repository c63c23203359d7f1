#pragma once

#include <atomic>

#include <muster/vmm/device/port_bus.h>
#include <muster/vmm/device/run_control.h>

namespace muster::vmm {

// The three ways in which a PC resets itself, each of which ends the run.

// Keyboard controller: command 0xfe pulses the reset line. Its status is that of a controller that
// takes commands and has no data, for guests that wait for it.
class KeyboardReset : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0x64;

  explicit KeyboardReset(RunControl& control) : control_(control) {}

  uint32_t Read(uint16_t, int) override { return 0; }
  void Write(uint16_t, int, uint32_t value) override {
    if (value == 0xfe)
      control_.End({.kind = Ending::Kind::kReset, .detail = "keyboard controller, port 0x64"});
  }

 private:
  RunControl& control_;
};

// System control port A: a rising bit 0 is the reset; bit 1, gate A20, is just kept.
class SystemControlA : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0x92;

  explicit SystemControlA(RunControl& control) : control_(control) {}

  uint32_t Read(uint16_t, int) override { return value_.load(std::memory_order_relaxed); }
  void Write(uint16_t, int, uint32_t value) override {
    // Relaxed: the value orders nothing else.
    const uint32_t before = value_.exchange(value, std::memory_order_relaxed);
    if (value & ~before & 1)
      control_.End({.kind = Ending::Kind::kReset, .detail = "system control port 0x92"});
  }

 private:
  RunControl& control_;
  std::atomic<uint32_t> value_{2};
};

// Reset control register of Intel's chipsets: bit 2 resets, bit 1 says how.
class ResetControl : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0xcf9;

  explicit ResetControl(RunControl& control) : control_(control) {}

  uint32_t Read(uint16_t, int) override { return value_.load(std::memory_order_relaxed); }
  void Write(uint16_t, int, uint32_t value) override {
    value_.store(value & 2, std::memory_order_relaxed);  // it orders nothing else
    if (value & 4)
      control_.End({.kind = Ending::Kind::kReset, .detail = "reset control register, port 0xcf9"});
  }

 private:
  RunControl& control_;
  std::atomic<uint32_t> value_{0};
};

}  // namespace muster::vmm
