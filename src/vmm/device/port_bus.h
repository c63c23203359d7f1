#pragma once

#include <cstdint>
#include <vector>

#include <muster/vmm/device/access_counts.h>

namespace muster::vmm {

// Called by any vCPU's thread, several at once; each device has a lock of its own where it needs
// one. `offset` is from the port where the device begins, `size` 1, 2 or 4.
class PortDevice {
 public:
  virtual ~PortDevice() = default;
  virtual uint32_t Read(uint16_t offset, int size) = 0;
  virtual void Write(uint16_t offset, int size, uint32_t value) = 0;
};

// The I/O ports. Where nothing is, reads give all ones and writes are dropped, and both counted.
class PortBus {
 public:
  enum class Width {
    kBytes,   // a wider access is so many byte accesses to ports that follow, as on an 8-bit bus
    kNative,  // the device sees accesses as the guest makes them
  };

  // Before any vCPU runs. The device outlives this; ranges do not overlap.
  void Attach(uint16_t first, uint16_t count, Width width, PortDevice& device);

  uint32_t Read(uint16_t port, int size);
  void Write(uint16_t port, int size, uint32_t value);

  const AccessCounts& unknown() const { return unknown_; }

 private:
  struct Range {
    uint16_t first, count;
    Width width;
    PortDevice* device;
  };
  const Range* Find(uint16_t port) const;

  std::vector<Range> ranges_;  // a handful
  AccessCounts unknown_;
};

}  // namespace muster::vmm
