#include <muster/vmm/device/i8042.h>

namespace muster::vmm {
namespace {

constexpr uint8_t kStatusOutputFull = 0x01, kStatusSystem = 0x04, kStatusCommand = 0x08,
                  kStatusNotLocked = 0x10;

constexpr uint8_t kModeInterrupt = 0x01, kModeSystem = 0x04, kModeKeyboardOff = 0x10,
                  kModeSecondOff = 0x20, kModeTranslate = 0x40;
constexpr uint8_t kModeOfFirmware =
    kModeSystem | kModeKeyboardOff | kModeSecondOff | kModeTranslate;

enum Command : uint8_t {
  kReadMode = 0x20,
  kWriteMode = 0x60,
  kSecondOff = 0xa7,
  kSecondOn = 0xa8,
  kTestSecond = 0xa9,
  kTestController = 0xaa,
  kTestKeyboard = 0xab,
  kKeyboardOff = 0xad,
  kKeyboardOn = 0xae,
  kReadInputPort = 0xc0,
  kReadOutputPort = 0xd0,
  kWriteOutputPort = 0xd1,
  kAsKeyboard = 0xd2,  // the parameter comes back
  kAsSecond = 0xd3,
  kToSecond = 0xd4,
  kPulseReset = 0xfe,
};
constexpr uint8_t kControllerGood = 0x55, kPortGood = 0x00, kClockStuckLow = 0x01;
constexpr uint8_t kOutputNotReset = 0x01, kOutputPort = 0xcf;  // A20 is on, the lines are high

enum KeyboardCommand : uint8_t {
  kSetLeds = 0xed,
  kEcho = 0xee,
  kScanCodeSet = 0xf0,
  kIdentify = 0xf2,
  kSetRate = 0xf3,
  kReset = 0xff,
};
constexpr uint8_t kAcknowledge = 0xfa, kSelfTestPassed = 0xaa, kId[] = {0xab, 0x83};

// What a guest that does not read can have waiting.
constexpr size_t kMostAnswers = 16;

}  // namespace

void I8042::AsFirmwareLeaves() {
  {
    sync::MutexLock lock(mutex_);
    mode_ = kModeOfFirmware;
    awaits_ = keyboard_awaits_ = 0;
    last_was_command_ = false;
    answers_.clear();
    Update();
  }
  irq_.Drive();
}

void I8042::Update() { irq_.Want(!answers_.empty() && (mode_ & kModeInterrupt) != 0); }

void I8042::Answer(uint8_t byte) {
  if (answers_.size() < kMostAnswers) answers_.push_back(byte);
}

uint8_t I8042::ReadStatus() {
  sync::MutexLock lock(mutex_);
  return static_cast<uint8_t>(kStatusNotLocked | (mode_ & kModeSystem ? kStatusSystem : 0) |
                              (last_was_command_ ? kStatusCommand : 0) |
                              (answers_.empty() ? 0 : kStatusOutputFull));
}

uint8_t I8042::ReadData() {
  uint8_t byte = 0;
  {
    sync::MutexLock lock(mutex_);
    if (!answers_.empty()) {
      byte = answers_.front();
      answers_.pop_front();
      // The next byte is another edge.
      irq_.Want(false);
      Update();
    }
  }
  irq_.Drive();
  return byte;
}

void I8042::WriteCommand(uint8_t value) {
  {
    sync::MutexLock lock(mutex_);
    last_was_command_ = true;
    awaits_ = 0;
    switch (value) {
      case kReadMode:
        Answer(mode_);
        break;
      case kWriteMode:
      case kWriteOutputPort:
      case kAsKeyboard:
      case kAsSecond:
      case kToSecond:
        awaits_ = value;
        break;
      case kSecondOff:
        mode_ |= kModeSecondOff;
        break;
      case kSecondOn:
        mode_ &= static_cast<uint8_t>(~kModeSecondOff);
        break;
      case kKeyboardOff:
        mode_ |= kModeKeyboardOff;
        break;
      case kKeyboardOn:
        mode_ &= static_cast<uint8_t>(~kModeKeyboardOff);
        break;
      case kTestSecond:
        Answer(kClockStuckLow);
        break;
      case kTestController:
        mode_ |= kModeSystem;
        Answer(kControllerGood);
        break;
      case kTestKeyboard:
        Answer(kPortGood);
        break;
      case kReadInputPort:
        Answer(0x80);  // the keyboard is not locked
        break;
      case kReadOutputPort:
        Answer(kOutputPort);
        break;
      default:
        break;
    }
    Update();
  }
  irq_.Drive();
  if (value == kPulseReset) control_.SoftReset();
}

void I8042::WriteData(uint8_t value) {
  bool resets = false;
  {
    sync::MutexLock lock(mutex_);
    last_was_command_ = false;
    const uint8_t command = awaits_;
    awaits_ = 0;
    if (command != 0) {
      resets = Parameter(command, value);
    } else {
      ToKeyboard(value);
    }
    Update();
  }
  irq_.Drive();
  if (resets) control_.SoftReset();
}

bool I8042::Parameter(uint8_t command, uint8_t value) {
  switch (command) {
    case kWriteMode:
      mode_ = value;
      break;
    case kWriteOutputPort:
      return (value & kOutputNotReset) == 0;
    case kAsKeyboard:
    case kAsSecond:  // comes back, but not as the second port's
      Answer(value);
      break;
    default:  // to the second port, where nobody is
      break;
  }
  return false;
}

void I8042::ToKeyboard(uint8_t value) {
  mode_ &= static_cast<uint8_t>(~kModeKeyboardOff);  // to send is to enable
  if (keyboard_awaits_ != 0) {
    // Of the parameter of kScanCodeSet, 0 asks which; there is set 2.
    const bool asks = keyboard_awaits_ == kScanCodeSet && value == 0;
    keyboard_awaits_ = 0;
    Answer(kAcknowledge);
    if (asks) Answer(2);
    return;
  }
  switch (value) {
    case kEcho:
      Answer(kEcho);
      return;
    case kIdentify:
      Answer(kAcknowledge);
      for (uint8_t byte : kId) Answer(byte);
      return;
    case kReset:
      Answer(kAcknowledge);
      Answer(kSelfTestPassed);
      return;
    case kSetLeds:
    case kScanCodeSet:
    case kSetRate:
      keyboard_awaits_ = value;
      Answer(kAcknowledge);
      return;
    default:
      Answer(kAcknowledge);
      return;
  }
}

}  // namespace muster::vmm
