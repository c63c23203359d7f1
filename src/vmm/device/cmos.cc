#include <algorithm>
#include <utility>

#include <muster/vmm/device/cmos.h>

namespace muster::vmm {
namespace {

// MC146818A data sheet, "Register A" to "Register D".
enum Register : uint8_t {
  kSeconds = 0,
  kMinutes = 2,
  kHours = 4,
  kWeekday = 6,
  kDay = 7,
  kMonth = 8,
  kYear = 9,
  kA = 10,
  kB = 11,
  kC = 12,
  kD = 13,
  kCentury = 0x32,
};
constexpr uint8_t kDividerOn = 0x26;     // A: 32,768 Hz, no update in progress
constexpr uint8_t kHours24 = 0x02;       // B: BCD
constexpr uint8_t kValidRamTime = 0x80;  // D

constexpr uint64_t kKib = 1024, kMib = 1024 * kKib, kBlock = 64 * kKib;

uint8_t Bcd(int value) { return static_cast<uint8_t>(value / 10 * 16 + value % 10); }

}  // namespace

Cmos::Cmos(uint64_t ram_below_4g, uint64_t ram_above_4g, std::function<std::time_t()> now)
    : now_(std::move(now)) {
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
  sync::MutexLock lock(mutex_);
  return index_ <= kD || index_ == kCentury ? ReadClock(index_) : memory_[index_];
}

void Cmos::Write(uint16_t offset, int, uint32_t value) {
  sync::MutexLock lock(mutex_);
  if (offset == 0) {
    index_ = value & 0x7f;  // bit 7 masks NMIs on a PC
  } else {
    memory_[index_] = static_cast<uint8_t>(value);
  }
}

uint8_t Cmos::ReadClock(uint8_t index) const {
  switch (index) {
    case kA:
      return kDividerOn;
    case kB:
      return kHours24;
    case kD:
      return kValidRamTime;
    default:
      break;
  }
  const std::time_t now = now_();
  std::tm time{};
  gmtime_r(&now, &time);
  switch (index) {
    case kSeconds:
      return Bcd(time.tm_sec);
    case kMinutes:
      return Bcd(time.tm_min);
    case kHours:
      return Bcd(time.tm_hour);
    case kWeekday:
      return Bcd(time.tm_wday + 1);
    case kDay:
      return Bcd(time.tm_mday);
    case kMonth:
      return Bcd(time.tm_mon + 1);
    case kYear:
      return Bcd(time.tm_year % 100);
    case kCentury:
      return Bcd(19 + time.tm_year / 100);
    default:  // the alarm's, and C: nothing is pending
      return 0;
  }
}

}  // namespace muster::vmm
