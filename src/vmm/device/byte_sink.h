#pragma once

#include <cstdint>
#include <span>

namespace muster::vmm {

// Where the guest's output goes. Any thread.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual void Write(std::span<const uint8_t> bytes) = 0;
};

}  // namespace muster::vmm
