#include <algorithm>

#include <muster/vmm/device/cmos.h>

namespace muster::vmm {
namespace {

constexpr uint64_t kKib = 1024, kMib = 1024 * kKib, kBlock = 64 * kKib;

bool IsClock(uint8_t index) { return index < Rtc::kRegisters || index == Rtc::kCentury; }

}  // namespace

Cmos::Cmos(Rtc& clock, uint64_t ram_below_4g, uint64_t ram_above_4g) : clock_(clock) {
  sync::MutexLock lock(mutex_);
  const auto put = [this](uint8_t index, uint64_t value, int bytes)
                       ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
                         for (int i = 0; i < bytes; ++i)
                           memory_[index + i] = static_cast<uint8_t>(value >> (8 * i));
                       };
  const auto past = [ram_below_4g](uint64_t begin) {
    return ram_below_4g - std::min(ram_below_4g, begin);
  };
  // Where PC BIOSes have them, KiB and from 16 MiB on 64 KiB; the last as QEMU's machines.
  const uint64_t extended = std::min<uint64_t>(past(kMib) / kKib, 0xffff);
  put(0x15, 640, 2);
  put(0x17, extended, 2);
  put(0x30, extended, 2);
  put(0x34, std::min<uint64_t>(past(16 * kMib) / kBlock, 0xffff), 2);
  put(0x5b, ram_above_4g / kBlock, 3);
}

uint32_t Cmos::Read(uint16_t offset, int) {
  if (offset == 0) return 0xff;  // the index is for writing
  uint8_t index = 0;
  {
    sync::MutexLock lock(mutex_);
    index = index_;
    if (!IsClock(index)) return memory_[index];
  }
  return clock_.Read(index);
}

void Cmos::Write(uint16_t offset, int, uint32_t value) {
  const auto byte = static_cast<uint8_t>(value);
  uint8_t index = 0;
  {
    sync::MutexLock lock(mutex_);
    if (offset == 0) {
      index_ = byte & 0x7f;  // bit 7 masks NMIs on a PC
      return;
    }
    index = index_;
    if (!IsClock(index)) {
      memory_[index] = byte;
      return;
    }
  }
  clock_.Write(index, byte);
}

}  // namespace muster::vmm
