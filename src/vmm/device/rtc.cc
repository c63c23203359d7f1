#include <algorithm>
#include <ctime>
#include <utility>

#include <muster/vmm/device/rtc.h>

namespace muster::vmm {
namespace {

// MC146818A data sheet, "Address Map", "Register A" to "Register D".
enum Register : uint8_t {
  kSeconds = 0,
  kSecondsAlarm = 1,
  kMinutes = 2,
  kMinutesAlarm = 3,
  kHours = 4,
  kHoursAlarm = 5,
  kWeekday = 6,
  kDay = 7,
  kMonth = 8,
  kYear = 9,
  kA = 10,
  kB = 11,
  kC = 12,
  kD = 13,
};
constexpr uint8_t kUpdateInProgress = 0x80, kDivider = 0x70, kDividerOn = 0x20, kRate = 0x0f;
constexpr uint8_t kRateOfFirmware = 0x06;  // 1,024 Hz
constexpr uint8_t kSet = 0x80, kBinary = 0x04, kHours24 = 0x02;
constexpr uint8_t kInterrupt = 0x80;                                     // C
constexpr uint8_t kPeriodic = 0x40, kAlarm = 0x20, kUpdateEnded = 0x10;  // B and C
constexpr uint8_t kEnables = kPeriodic | kAlarm | kUpdateEnded;
constexpr uint8_t kValidRamTime = 0x80;  // D
constexpr uint8_t kAnyTime = 0xc0;       // an alarm byte from here on matches all
constexpr uint8_t kAfternoon = 0x80;

constexpr uint64_t kNever = DeviceTimer::kNever;
constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kWarningNs = 244'000;  // from "update in progress" to the update
constexpr uint64_t kDaySeconds = 86'400;

}  // namespace

uint64_t Rtc::HostTime() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecondNs + static_cast<uint64_t>(now.tv_nsec);
}

Rtc::Rtc(IrqSink& irqs, DeviceTimer& timer, std::function<uint64_t()> time)
    : timer_(timer), time_(std::move(time)), irq_(irqs, 8) {
  AsFirmwareLeaves();
}

void Rtc::AsFirmwareLeaves() {
  {
    sync::MutexLock lock(mutex_);
    registers_ = {};
    registers_[kA] = kDividerOn | kRateOfFirmware;
    registers_[kB] = kHours24;
    second_ = time_() / kSecondNs;
    period_ = timer_.NowNs();
    Update();
  }
  irq_.Drive();
}

uint8_t Rtc::Read(uint8_t index) {
  uint8_t value = 0;
  {
    sync::MutexLock lock(mutex_);
    switch (index) {
      case kA:
        value = registers_[kA];
        if (Runs() && time_() % kSecondNs >= kSecondNs - kWarningNs) value |= kUpdateInProgress;
        break;
      case kC:
        CatchUp();
        value = std::exchange(registers_[kC], uint8_t{0});
        if ((value & registers_[kB] & kEnables) != 0) value |= kInterrupt;
        Update();
        break;
      case kD:
        value = kValidRamTime;
        break;
      case kB:
      case kSecondsAlarm:
      case kMinutesAlarm:
      case kHoursAlarm:
        value = registers_[index];
        break;
      default:
        value = ReadTime(index);
        break;
    }
  }
  irq_.Drive();
  return value;
}

void Rtc::Write(uint8_t index, uint8_t value) {
  {
    sync::MutexLock lock(mutex_);
    CatchUp();
    switch (index) {
      case kA:
        registers_[kA] = value & static_cast<uint8_t>(~kUpdateInProgress);
        period_ = timer_.NowNs();
        break;
      case kB:
        registers_[kB] = value;
        // Setting the clock ends what waits for its update.
        if ((value & kSet) != 0) registers_[kB] &= static_cast<uint8_t>(~kUpdateEnded);
        break;
      case kSecondsAlarm:
      case kMinutesAlarm:
      case kHoursAlarm:
        registers_[index] = value;
        break;
      default:
        break;
    }
    Update();
  }
  irq_.Drive();
}

uint8_t Rtc::Encode(int value) const {
  if ((registers_[kB] & kBinary) != 0) return static_cast<uint8_t>(value);
  return static_cast<uint8_t>(value / 10 * 16 + value % 10);
}

uint8_t Rtc::EncodeHour(int hour) const {
  if ((registers_[kB] & kHours24) != 0) return Encode(hour);
  return static_cast<uint8_t>(Encode((hour + 11) % 12 + 1) | (hour >= 12 ? kAfternoon : 0));
}

uint8_t Rtc::ReadTime(uint8_t index) const {
  const auto now = static_cast<std::time_t>(time_() / kSecondNs);
  std::tm time{};
  gmtime_r(&now, &time);
  switch (index) {
    case kSeconds:
      return Encode(time.tm_sec);
    case kMinutes:
      return Encode(time.tm_min);
    case kHours:
      return EncodeHour(time.tm_hour);
    case kWeekday:
      return Encode(time.tm_wday + 1);
    case kDay:
      return Encode(time.tm_mday);
    case kMonth:
      return Encode(time.tm_mon + 1);
    case kYear:
      return Encode(time.tm_year % 100);
    default:
      return Encode(19 + time.tm_year / 100);
  }
}

bool Rtc::Runs() const {
  return (registers_[kB] & kSet) == 0 && (registers_[kA] & kDivider) == kDividerOn;
}

uint64_t Rtc::Period() const {
  const unsigned rate = registers_[kA] & kRate;
  if (rate == 0 || (registers_[kA] & kDivider) != kDividerOn) return 0;
  // Of 32,768 Hz; the two that would be faster than the dividers are as 8 and 9.
  const unsigned shift = rate <= 2 ? rate + 6 : rate - 1;
  return (kSecondNs << shift) / 32'768;
}

uint64_t Rtc::NextAlarm(uint64_t second) const {
  const auto matches = [this](Register alarm, uint8_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return registers_[alarm] >= kAnyTime || registers_[alarm] == now;
  };
  for (uint64_t at = second + 1; at <= second + kDaySeconds;) {
    const auto of_day = static_cast<int>(at % kDaySeconds);
    if (!matches(kHoursAlarm, EncodeHour(of_day / 3600))) {
      at += static_cast<uint64_t>(3600 - of_day % 3600);
    } else if (!matches(kMinutesAlarm, Encode(of_day / 60 % 60))) {
      at += static_cast<uint64_t>(60 - of_day % 60);
    } else if (!matches(kSecondsAlarm, Encode(of_day % 60))) {
      ++at;
    } else {
      return at;
    }
  }
  return kNever;
}

void Rtc::CatchUp() {
  const uint64_t second = time_() / kSecondNs;
  if (Runs() && second > second_) {
    registers_[kC] |= kUpdateEnded;
    if (NextAlarm(second_) <= second) registers_[kC] |= kAlarm;
  }
  second_ = second;
  const uint64_t now = timer_.NowNs();
  if (const uint64_t period = Period(); period != 0 && now - period_ >= period) {
    registers_[kC] |= kPeriodic;
    period_ = now - (now - period_) % period;
  }
}

void Rtc::Update() {
  const uint8_t enabled = registers_[kB] & kEnables;
  const bool due = (registers_[kC] & enabled) != 0;
  if (due) {
    registers_[kC] |= kInterrupt;
  } else {
    registers_[kC] &= static_cast<uint8_t>(~kInterrupt);
  }
  irq_.Want(due);

  // Nothing more happens on the line until C is read.
  uint64_t deadline = kNever;
  if (!due) {
    const uint64_t now = timer_.NowNs(), time = time_();
    const auto at_second = [=](uint64_t second) { return now + (second * kSecondNs - time); };
    if ((enabled & kPeriodic) != 0 && Period() != 0) deadline = period_ + Period();
    if ((enabled & kUpdateEnded) != 0 && Runs()) {
      deadline = std::min(deadline, at_second(time / kSecondNs + 1));
    }
    if ((enabled & kAlarm) != 0 && Runs()) {
      const uint64_t alarm = NextAlarm(time / kSecondNs);
      if (alarm != kNever) deadline = std::min(deadline, at_second(alarm));
    }
  }
  armed_ = deadline != kNever;
  timer_.Arm(deadline);
}

void Rtc::Expired() {
  {
    sync::MutexLock lock(mutex_);
    rising_ = true;
    CatchUp();
    Update();
  }
  irq_.Drive();
  sync::MutexLock lock(mutex_);
  rising_ = false;
}

bool Rtc::MayInterrupt() {
  sync::MutexLock lock(mutex_);
  return armed_ || rising_;
}

}  // namespace muster::vmm
