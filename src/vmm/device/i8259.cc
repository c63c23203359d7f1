#include <muster/vmm/device/i8259.h>

namespace muster::vmm {
namespace {

// 8259A data sheet, "Initialization Command Word Format", "Operation Command Word Format".
constexpr uint8_t kIcw1 = 0x10, kIcw1Icw4 = 0x01, kIcw1Single = 0x02;
constexpr uint8_t kIcw2Base = 0xf8;
constexpr uint8_t kIcw4AutoEoi = 0x02, kIcw4SpecialNested = 0x10;
constexpr uint8_t kOcw3 = 0x08;
constexpr uint8_t kOcw3ReadRegister = 0x02, kOcw3ReadIsr = 0x01, kOcw3Poll = 0x04,
                  kOcw3SpecialMask = 0x20, kOcw3EnableSpecialMask = 0x40;
constexpr uint8_t kPollPending = 0x80;

// OCW2[7:5].
enum Command : uint8_t {
  kRotateInAutoEoiClear = 0,
  kNonSpecificEoi = 1,
  kNone = 2,
  kSpecificEoi = 3,
  kRotateInAutoEoiSet = 4,
  kRotateOnNonSpecificEoi = 5,
  kSetPriority = 6,
  kRotateOnSpecificEoi = 7,
};

constexpr uint8_t Bit(unsigned input) { return static_cast<uint8_t>(1u << input); }

}  // namespace

void I8259::AsFirmwareLeaves(uint8_t base) {
  elcr_ = 0;
  WriteIcw1(kIcw1);
  expects_ = Expects::kOcw;
  base_ = base & kIcw2Base;
  imr_ = 0xff;
}

void I8259::SetInput(unsigned input, bool asserted) {
  const uint8_t bit = Bit(input);
  const bool rises = asserted && (inputs_ & bit) == 0;
  if (asserted) {
    inputs_ |= bit;
    if (rises || (elcr_ & bit) != 0) irr_ |= bit;
  } else {
    inputs_ &= static_cast<uint8_t>(~bit);
    irr_ &= static_cast<uint8_t>(~bit);
  }
}

std::optional<unsigned> I8259::Highest(uint8_t set) const {
  for (unsigned i = 1; i <= kInputs; ++i) {
    const unsigned input = (lowest_ + i) % kInputs;
    if ((set & Bit(input)) != 0) return input;
  }
  return std::nullopt;
}

std::optional<unsigned> I8259::Pending() const {
  const std::optional<unsigned> requested = Highest(irr_ & static_cast<uint8_t>(~imr_));
  if (!requested) return std::nullopt;
  // What is in service holds off its own priority and those below. Under a special mask what is
  // masked does not; in special fully nested mode, nor does the other controller its own input.
  uint8_t holds = isr_;
  if (special_mask_) holds &= static_cast<uint8_t>(~imr_);
  if (special_nested_ && cascade_ && *requested == *cascade_) {
    holds &= static_cast<uint8_t>(~Bit(*cascade_));
  }
  const std::optional<unsigned> served = Highest(holds);
  const auto rank = [this](unsigned input) { return (input + kInputs - lowest_ - 1) % kInputs; };
  if (served && rank(*served) <= rank(*requested)) return std::nullopt;
  return requested;
}

unsigned I8259::Acknowledge() {
  const std::optional<unsigned> input = Pending();
  if (!input) return kSpurious;
  if ((elcr_ & Bit(*input)) == 0) irr_ &= static_cast<uint8_t>(~Bit(*input));
  if (!auto_eoi_) {
    isr_ |= Bit(*input);
  } else if (rotates_) {
    lowest_ = *input;
  }
  return *input;
}

uint8_t I8259::Poll() {
  polled_ = false;
  const bool pending = Pending().has_value();
  return static_cast<uint8_t>(Acknowledge() | (pending ? kPollPending : 0));
}

uint8_t I8259::Read(bool odd_port) {
  if (polled_) return Poll();
  if (odd_port) return imr_;
  return reads_isr_ ? isr_ : irr_;
}

void I8259::Write(bool odd_port, uint8_t value) {
  if (!odd_port) {
    if ((value & kIcw1) != 0) {
      WriteIcw1(value);
    } else if ((value & kOcw3) != 0) {
      WriteOcw3(value);
    } else {
      WriteOcw2(value);
    }
    return;
  }
  switch (expects_) {
    case Expects::kOcw:
      imr_ = value;
      return;
    case Expects::kIcw2:
      base_ = value & kIcw2Base;
      expects_ = !single_ ? Expects::kIcw3 : expects_icw4_ ? Expects::kIcw4 : Expects::kOcw;
      return;
    case Expects::kIcw3:  // how a PC wires the two is known
      expects_ = expects_icw4_ ? Expects::kIcw4 : Expects::kOcw;
      return;
    case Expects::kIcw4:
      auto_eoi_ = (value & kIcw4AutoEoi) != 0;
      special_nested_ = (value & kIcw4SpecialNested) != 0;
      expects_ = Expects::kOcw;
      return;
  }
}

void I8259::WriteIcw1(uint8_t value) {
  single_ = (value & kIcw1Single) != 0;
  expects_icw4_ = (value & kIcw1Icw4) != 0;
  expects_ = Expects::kIcw2;
  // An edge has to come again; ICW1's own choice of levels gives way to the edge/level register.
  irr_ = inputs_ & elcr_;
  isr_ = imr_ = 0;
  lowest_ = 7;
  auto_eoi_ = rotates_ = special_mask_ = special_nested_ = false;
  polled_ = reads_isr_ = false;
}

void I8259::WriteOcw2(uint8_t value) {
  const unsigned level = value & 7;
  // A non-specific EOI does not see what a special mask hides.
  const std::optional<unsigned> served =
      Highest(special_mask_ ? isr_ & static_cast<uint8_t>(~imr_) : isr_);
  switch (static_cast<Command>(value >> 5)) {
    case kNonSpecificEoi:
      if (served) EndOfInterrupt(*served);
      return;
    case kRotateOnNonSpecificEoi:
      if (!served) return;
      EndOfInterrupt(*served);
      lowest_ = *served;
      return;
    case kSpecificEoi:
      EndOfInterrupt(level);
      return;
    case kRotateOnSpecificEoi:
      EndOfInterrupt(level);
      lowest_ = level;
      return;
    case kSetPriority:
      lowest_ = level;
      return;
    case kRotateInAutoEoiSet:
      rotates_ = true;
      return;
    case kRotateInAutoEoiClear:
      rotates_ = false;
      return;
    case kNone:
      return;
  }
}

void I8259::WriteOcw3(uint8_t value) {
  if ((value & kOcw3EnableSpecialMask) != 0) special_mask_ = (value & kOcw3SpecialMask) != 0;
  if ((value & kOcw3ReadRegister) != 0) reads_isr_ = (value & kOcw3ReadIsr) != 0;
  polled_ = (value & kOcw3Poll) != 0;
}

void I8259::SetElcr(uint8_t value) {
  elcr_ = value & levels_;
  // One that is a level now, and high, requests.
  irr_ |= inputs_ & elcr_;
}

}  // namespace muster::vmm
