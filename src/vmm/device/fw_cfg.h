#pragma once

#include <absl/base/thread_annotations.h>
#include <cstdint>
#include <map>
#include <vector>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/device/port_bus.h>

namespace muster::vmm {

// QEMU's firmware configuration device, by its ports alone (QEMU documentation, "QEMU Firmware
// Configuration (fw_cfg) Device"): a key is written to the selector, its bytes are read from the
// data port one by one, and zeros after the last. A key that is not there has no bytes.
class FwCfg : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0x510;  // selector; the data port follows
  static constexpr uint16_t kPorts = 2;

  enum Key : uint16_t {
    kSignature = 0x00,
    kId = 0x01,
    kRamSize = 0x03,
    kCpus = 0x05,
    kMaxCpus = 0x0f,
    kMaxRam = 0x11,  // which small test kernels ask for; QEMU has no such key
  };

  FwCfg(uint64_t ram_bytes, uint16_t cpus);

  uint32_t Read(uint16_t offset, int size) override;
  void Write(uint16_t offset, int size, uint32_t value) override;

 private:
  std::map<uint16_t, std::vector<uint8_t>> items_;  // constant once built
  sync::Mutex mutex_;
  uint16_t key_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace muster::vmm
