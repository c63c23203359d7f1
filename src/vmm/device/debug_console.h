#pragma once

#include <muster/vmm/device/line_buffer.h>
#include <muster/vmm/device/port_bus.h>

namespace muster::vmm {

// Port 0xe9 of Bochs and QEMU: what is written is put out; reading gives 0xe9, by which a guest
// knows that it is there.
class DebugConsole : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0xe9;

  explicit DebugConsole(LineBuffer& output) : output_(output) {}

  uint32_t Read(uint16_t, int) override { return kPort; }
  void Write(uint16_t, int, uint32_t value) override { output_.Put(static_cast<uint8_t>(value)); }

 private:
  LineBuffer& output_;
};

}  // namespace muster::vmm
