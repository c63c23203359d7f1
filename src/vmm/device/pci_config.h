#pragma once

#include <atomic>

#include <muster/vmm/device/port_bus.h>

namespace muster::vmm {

// PCI configuration mechanism #1 (PCI Local Bus Specification, "Software Generation of
// Configuration Transactions") over a bus that is empty: CONFIG_ADDRESS, a register of 32 bits that
// narrower accesses do not reach, keeps what is written, and CONFIG_DATA reads all ones. The byte
// at 0xcf9 between them is ResetControl's.
class PciConfig {
 public:
  static constexpr uint16_t kAddress = 0xcf8, kUnused = 0xcfa, kData = 0xcfc;
  static constexpr uint16_t kUnusedPorts = 2, kDataPorts = 4;

  PortDevice& address() { return address_; }
  // Of CONFIG_DATA; and of the bytes at kUnused, which kernels that look for mechanism #2 write.
  PortDevice& nothing() { return nothing_; }

 private:
  class Address : public PortDevice {
   public:
    uint32_t Read(uint16_t, int size) override {
      // Relaxed, both: it orders nothing else.
      return size == 4 ? value_.load(std::memory_order_relaxed) : UINT32_MAX;
    }
    void Write(uint16_t, int size, uint32_t value) override {
      if (size == 4) value_.store(value & kWritable, std::memory_order_relaxed);
    }

   private:
    static constexpr uint32_t kWritable = 0x80fffffc;
    std::atomic<uint32_t> value_{0};
  };
  class Nothing : public PortDevice {
   public:
    uint32_t Read(uint16_t, int) override { return UINT32_MAX; }
    void Write(uint16_t, int, uint32_t) override {}
  };

  Address address_;
  Nothing nothing_;
};

}  // namespace muster::vmm
