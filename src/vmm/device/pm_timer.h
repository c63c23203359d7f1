#pragma once

#include <muster/vmm/device/device_timer.h>
#include <muster/vmm/device/port_bus.h>

namespace muster::vmm {

// The ACPI power management timer, 32 bits (ACPI Specification, "Power Management Timer"): counts
// at 3.579545 MHz, also where nobody looks. Read-only.
class PmTimer : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0x608;
  static constexpr uint16_t kPorts = 4;

  explicit PmTimer(DeviceTimer& clock) : clock_(clock) {}

  uint32_t Read(uint16_t offset, int) override { return Count() >> (8 * offset); }
  void Write(uint16_t, int, uint32_t) override {}

  uint32_t Count() const {
    // NTSC's colour carrier, 315/88 MHz.
    return static_cast<uint32_t>(static_cast<unsigned __int128>(clock_.NowNs()) * 315 / 88'000);
  }

 private:
  DeviceTimer& clock_;
};

}  // namespace muster::vmm
