#include <algorithm>

#include <muster/vmm/device/i8254_counter.h>

namespace muster::vmm {
namespace {

// 8254 data sheet, "Control Word Format", "Status Byte".
constexpr uint8_t kBcd = 0x01;
constexpr uint8_t kStatusOut = 0x80, kStatusNullCount = 0x40;

enum Access : uint8_t { kLow = 1, kHigh = 2, kBoth = 3 };

uint32_t FromBcd(uint16_t value) {
  return (value >> 12) * 1000u + (value >> 8 & 0xf) * 100u + (value >> 4 & 0xf) * 10u +
         (value & 0xf);
}

uint16_t ToBcd(uint32_t value) {
  return static_cast<uint16_t>(value / 1000 % 10 << 12 | value / 100 % 10 << 8 |
                               value / 10 % 10 << 4 | value % 10);
}

}  // namespace

void I8254Counter::SetControl(uint8_t control, uint64_t) {
  control_ = control & 0x3f;
  // Modes 6 and 7 are 2 and 3.
  mode_ = control >> 1 & 7;
  if (mode_ > 5) mode_ -= 4;
  bcd_ = (control & kBcd) != 0;
  loaded_ = running_ = false;
  stopped_.reset();
  switch_at_.reset();
  low_.reset();
  high_next_ = false;
  latched_.reset();
  latched_status_.reset();
}

void I8254Counter::Write(uint8_t value, uint64_t now) {
  switch (control_ >> 4 & 3) {
    case kLow:
      Load(value, now);
      return;
    case kHigh:
      Load(static_cast<uint16_t>(value << 8), now);
      return;
    default:
      if (low_) {
        Load(static_cast<uint16_t>(value << 8 | *low_), now);
        low_.reset();
        return;
      }
      low_ = value;
      // Mode 0 stops at the first byte, and OUT falls.
      if (mode_ == 0) loaded_ = running_ = false;
      return;
  }
}

void I8254Counter::Load(uint16_t value, uint64_t now) {
  CatchUp(now);
  count_ = bcd_ ? FromBcd(value) : value;
  if (count_ == 0) count_ = bcd_ ? 10'000 : 65'536;
  // There is no period of one tick.
  if (periodic()) count_ = std::max<uint32_t>(count_, 2);
  loaded_ = true;
  switch (mode_) {
    case 1:
    case 5:  // a rise of the gate starts it
      return;
    case 2:
    case 3:
      if (running_ && gate_) {
        switch_at_ = since_ + (Elapsed(now) / active_ + 1) * active_;
        return;
      }
      break;
    default:
      break;
  }
  Begin(now);
}

void I8254Counter::Begin(uint64_t at) {
  active_ = count_;
  since_ = at;
  running_ = true;
  switch_at_.reset();
  stopped_.reset();
  if (!gate_ && mode_ != 1 && mode_ != 5) stopped_ = 0;
}

void I8254Counter::CatchUp(uint64_t now) {
  if (switch_at_ && now >= *switch_at_) Begin(*switch_at_);
}

void I8254Counter::SetGate(bool high, uint64_t now) {
  CatchUp(now);
  if (high == gate_) return;
  gate_ = high;
  switch (mode_) {
    case 0:
    case 4:
      if (!running_) return;
      if (!high) {
        stopped_ = now - since_;
      } else if (stopped_) {
        since_ = now - *stopped_;
        stopped_.reset();
      }
      return;
    case 1:
    case 5:
      if (high && loaded_) Begin(now);
      return;
    default:
      if (!loaded_) return;
      if (high) {
        Begin(now);
      } else {
        stopped_ = 0;
      }
      return;
  }
}

bool I8254Counter::Out(uint64_t now) {
  CatchUp(now);
  const uint64_t elapsed = Elapsed(now);
  switch (mode_) {
    case 0:
      return counting() && elapsed >= active_;
    case 1:
      return !counting() || elapsed >= active_;
    case 2:
      return !counting() || !gate_ || elapsed % active_ != active_ - 1;
    case 3:
      return !counting() || !gate_ || elapsed % active_ < (active_ + 1) / 2;
    default:
      return !counting() || elapsed != active_;
  }
}

std::optional<uint64_t> I8254Counter::NextRise(uint64_t now) {
  CatchUp(now);
  if (!counting() || stopped_) return std::nullopt;
  const uint64_t elapsed = Elapsed(now);
  switch (mode_) {
    case 0:
    case 1:
      if (elapsed >= active_) return std::nullopt;
      return since_ + active_;
    case 2:
    case 3:
      return since_ + (elapsed / active_ + 1) * active_;
    default:
      if (elapsed > active_) return std::nullopt;
      return since_ + active_ + 1;
  }
}

uint16_t I8254Counter::Value(uint64_t now) {
  CatchUp(now);
  if (!counting()) return static_cast<uint16_t>(count_);
  const uint64_t elapsed = Elapsed(now);
  const uint32_t modulus = bcd_ ? 10'000 : 65'536;
  uint32_t left = 0;
  switch (mode_) {
    case 2:
      left = active_ - static_cast<uint32_t>(elapsed % active_);
      break;
    case 3: {
      // By twos, from the even number below, once for each half.
      const uint32_t half = (active_ + 1) / 2;
      const auto in_period = static_cast<uint32_t>(elapsed % active_);
      left = (active_ & ~1u) - 2 * (in_period < half ? in_period : in_period - half);
      break;
    }
    default:
      left = (active_ + modulus - static_cast<uint32_t>(elapsed % modulus)) % modulus;
      break;
  }
  return bcd_ ? ToBcd(left % modulus) : static_cast<uint16_t>(left);
}

uint8_t I8254Counter::Status(uint64_t now) {
  const bool out = Out(now);
  const bool waits_for_gate = (mode_ == 1 || mode_ == 5) && !running_;
  const bool null_count = !loaded_ || switch_at_.has_value() || waits_for_gate;
  return static_cast<uint8_t>(control_ | (out ? kStatusOut : 0) |
                              (null_count ? kStatusNullCount : 0));
}

void I8254Counter::LatchCount(uint64_t now) {
  if (!latched_) latched_ = Value(now);
}

void I8254Counter::LatchStatus(uint64_t now) {
  if (!latched_status_) latched_status_ = Status(now);
}

uint8_t I8254Counter::Read(uint64_t now) {
  if (latched_status_) {
    const uint8_t status = *latched_status_;
    latched_status_.reset();
    return status;
  }
  const uint16_t value = latched_ ? *latched_ : Value(now);
  const auto low = static_cast<uint8_t>(value), high = static_cast<uint8_t>(value >> 8);
  switch (control_ >> 4 & 3) {
    case kLow:
      latched_.reset();
      return low;
    case kHigh:
      latched_.reset();
      return high;
    default:
      high_next_ = !high_next_;
      if (high_next_) return low;
      latched_.reset();
      return high;
  }
}

}  // namespace muster::vmm
