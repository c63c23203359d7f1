#pragma once

#include <absl/base/thread_annotations.h>
#include <cstddef>
#include <string_view>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/device/port_bus.h>
#include <muster/vmm/device/run_control.h>

namespace muster::vmm {

// Bochs powers off when the bytes "Shutdown" are written to port 0x8900.
class BochsShutdown : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0x8900;

  explicit BochsShutdown(RunControl& control) : control_(control) {}

  uint32_t Read(uint16_t, int) override { return 0xff; }
  void Write(uint16_t, int, uint32_t value) override {
    constexpr std::string_view kWord = "Shutdown";
    {
      sync::MutexLock lock(mutex_);
      const char byte = static_cast<char>(value);
      // No letter of the word but the first equals the first.
      matched_ = byte == kWord[matched_] ? matched_ + 1 : byte == kWord[0] ? 1 : 0;
      if (matched_ < kWord.size()) return;
      matched_ = 0;
    }
    control_.End({.kind = Ending::Kind::kPowerOff, .detail = "\"Shutdown\" to port 0x8900"});
  }

 private:
  RunControl& control_;
  sync::Mutex mutex_;
  size_t matched_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace muster::vmm
