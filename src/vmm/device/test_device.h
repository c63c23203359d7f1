#pragma once

#include <array>
#include <atomic>

#include <muster/vmm/device/irq_line.h>
#include <muster/vmm/device/port_bus.h>

namespace muster::vmm {

// QEMU's pc-testdev, its ports: by a byte written to 0x2000 + n a guest sets ISA interrupt n, any
// value but 0 raising it.
class TestLines : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0x2000;
  static constexpr uint16_t kPorts = 24;

  explicit TestLines(IrqSink& irqs) : irqs_(irqs) {}

  uint32_t Read(uint16_t, int) override { return UINT32_MAX; }
  void Write(uint16_t offset, int, uint32_t value) override { irqs_.SetLine(offset, value != 0); }

 private:
  IrqSink& irqs_;
};

// The same device's four bytes that keep what is written.
class TestBytes : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0xe0;
  static constexpr uint16_t kPorts = 4;

  // Relaxed: a byte orders nothing else.
  uint32_t Read(uint16_t offset, int) override {
    return bytes_[offset].load(std::memory_order_relaxed);
  }
  void Write(uint16_t offset, int, uint32_t value) override {
    bytes_[offset].store(static_cast<uint8_t>(value), std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<uint8_t>, kPorts> bytes_{};
};

}  // namespace muster::vmm
