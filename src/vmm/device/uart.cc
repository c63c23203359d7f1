#include <array>

#include <muster/vmm/device/uart.h>

namespace muster::vmm {
namespace {

// Register offsets; 0 and 1 are the divisor where LCR.DLAB is set.
enum Register : uint16_t { kData, kIer, kIirFcr, kLcr, kMcr, kLsr, kMsr, kScr };

constexpr uint8_t kIerReceived = 0x01, kIerTransmitterEmpty = 0x02, kIerLineStatus = 0x04,
                  kIerModemStatus = 0x08, kIerMask = 0x0f;
constexpr uint8_t kIirModemStatus = 0x00, kIirNone = 0x01, kIirTransmitterEmpty = 0x02,
                  kIirReceived = 0x04, kIirLineStatus = 0x06, kIirTimeout = 0x0c, kIirFifos = 0xc0;
constexpr uint8_t kFcrEnable = 0x01, kFcrClearReceiver = 0x02;
constexpr std::array<uint8_t, 4> kTriggerLevels = {1, 4, 8, 14};  // FCR[7:6]
constexpr uint8_t kLcrDlab = 0x80;
constexpr uint8_t kMcrDtr = 0x01, kMcrRts = 0x02, kMcrOut1 = 0x04, kMcrOut2 = 0x08, kMcrLoop = 0x10,
                  kMcrMask = 0x1f;
constexpr uint8_t kLsrDataReady = 0x01, kLsrOverrun = 0x02, kLsrTransmitterEmpty = 0x60;
constexpr uint8_t kMsrCts = 0x10, kMsrDsr = 0x20, kMsrRi = 0x40, kMsrDcd = 0x80;
constexpr uint8_t kMsrTrailingRi = 0x04;
constexpr size_t kFifoBytes = 16;

}  // namespace

uint32_t Uart::Read(uint16_t offset, int) {
  After after;
  uint8_t value = 0;
  {
    sync::MutexLock lock(mutex_);
    value = ReadRegister(offset, after);
    Update();
  }
  irq_.Drive();
  if (after.room) room_();
  return value;
}

void Uart::Write(uint16_t offset, int, uint32_t value) {
  const auto byte = static_cast<uint8_t>(value);
  After after;
  {
    sync::MutexLock lock(mutex_);
    WriteRegister(offset, byte, after);
    Update();
  }
  // Outside the lock: a reader that is slow holds up those who send, not those who look at LSR.
  if (after.transmit) output_.Put(byte);
  irq_.Drive();
  if (after.room) room_();
}

size_t Uart::Receive(std::span<const uint8_t> bytes) {
  size_t taken = 0;
  {
    sync::MutexLock lock(mutex_);
    taken = std::min(bytes.size(), Room());
    for (uint8_t byte : bytes.first(taken)) Push(byte);
    Update();
  }
  irq_.Drive();
  return taken;
}

bool Uart::InterruptsOnReceipt() {
  sync::MutexLock lock(mutex_);
  return interrupt_enable_ & kIerReceived;
}

uint8_t Uart::ReadRegister(uint16_t offset, After& after) {
  const bool divisor = line_control_ & kLcrDlab;
  switch (offset) {
    case kData: {
      if (divisor) return divisor_low_;
      Listen(after);
      if (received_.empty()) return 0;
      const uint8_t byte = received_.front();
      received_.pop_front();
      after.room = received_.empty();
      return byte;
    }
    case kIer:
      return divisor ? divisor_high_ : interrupt_enable_;
    case kIirFcr: {
      const uint8_t due = Identify();
      if (due == kIirTransmitterEmpty) transmitter_emptied_ = false;
      return static_cast<uint8_t>(due | (fifos_ ? kIirFifos : 0));
    }
    case kLcr:
      return line_control_;
    case kMcr:
      return modem_control_;
    case kLsr: {
      Listen(after);
      uint8_t status = kLsrTransmitterEmpty;
      if (!received_.empty()) status |= kLsrDataReady;
      if (overrun_) status |= kLsrOverrun;
      overrun_ = false;
      return status;
    }
    case kMsr: {
      const uint8_t status = ModemLines() | modem_changes_;
      modem_changes_ = 0;
      return status;
    }
    default:
      return scratch_;
  }
}

void Uart::WriteRegister(uint16_t offset, uint8_t value, After& after) {
  const bool divisor = line_control_ & kLcrDlab;
  switch (offset) {
    case kData:
      if (divisor) {
        divisor_low_ = value;
        return;
      }
      // For the moment it is full, and the line falls.
      transmitter_emptied_ = false;
      Update();
      transmitter_emptied_ = true;
      if (modem_control_ & kMcrLoop) {
        Push(value);
      } else {
        after.transmit = true;
      }
      return;
    case kIer:
      if (divisor) {
        divisor_high_ = value;
        return;
      }
      // Enabling it while the transmitter is empty asks at once.
      if (value & ~interrupt_enable_ & kIerTransmitterEmpty) transmitter_emptied_ = true;
      interrupt_enable_ = value & kIerMask;
      if (interrupt_enable_ & kIerReceived) Listen(after);
      return;
    case kIirFcr: {
      const bool fifos = value & kFcrEnable;
      if (fifos != fifos_ || (fifos && (value & kFcrClearReceiver))) {
        received_.clear();
        after.room = true;
      }
      fifos_ = fifos;
      // The other bits mean nothing without the first.
      trigger_level_ = fifos ? kTriggerLevels[value >> 6] : 1;
      return;
    }
    case kLcr:
      line_control_ = value;
      return;
    case kMcr:
      WriteModemControl(value);
      after.room = true;  // it may have left loopback
      return;
    case kScr:
      scratch_ = value;
      return;
    default:  // LSR and MSR are for reading.
      return;
  }
}

void Uart::WriteModemControl(uint8_t value) {
  const uint8_t before = ModemLines();
  modem_control_ = value & kMcrMask;
  const uint8_t now = ModemLines();
  const uint8_t changed = before ^ now;
  // MSR[7:4] tell the lines, MSR[3:0] their changes; of RI, only that it ended.
  modem_changes_ |= static_cast<uint8_t>((changed & ~kMsrRi) >> 4);
  if (changed & before & kMsrRi) modem_changes_ |= kMsrTrailingRi;
}

void Uart::Listen(After& after) {
  after.room = after.room || !listening_;
  listening_ = true;
}

size_t Uart::Room() const {
  // In loopback the outside is cut off.
  if (!listening_ || (modem_control_ & kMcrLoop)) return 0;
  const size_t most = fifos_ ? kFifoBytes : 1;
  return most - std::min(most, received_.size());
}

void Uart::Push(uint8_t byte) {
  if (received_.size() < (fifos_ ? kFifoBytes : 1)) {
    received_.push_back(byte);
    return;
  }
  overrun_ = true;
  // Without FIFOs the new byte replaces the old one; with them the FIFO stays as it is.
  if (!fifos_) received_.back() = byte;
}

uint8_t Uart::Identify() const {
  if ((interrupt_enable_ & kIerLineStatus) && overrun_) return kIirLineStatus;
  if ((interrupt_enable_ & kIerReceived) && !received_.empty()) {
    return received_.size() >= trigger_level_ ? kIirReceived : kIirTimeout;
  }
  if ((interrupt_enable_ & kIerTransmitterEmpty) && transmitter_emptied_) {
    return kIirTransmitterEmpty;
  }
  if ((interrupt_enable_ & kIerModemStatus) && modem_changes_ != 0) return kIirModemStatus;
  return kIirNone;
}

void Uart::Update() { irq_.Want(Identify() != kIirNone); }

uint8_t Uart::ModemLines() const {
  if (!(modem_control_ & kMcrLoop)) return kMsrCts | kMsrDsr | kMsrDcd;
  uint8_t status = 0;
  if (modem_control_ & kMcrRts) status |= kMsrCts;
  if (modem_control_ & kMcrDtr) status |= kMsrDsr;
  if (modem_control_ & kMcrOut1) status |= kMsrRi;
  if (modem_control_ & kMcrOut2) status |= kMsrDcd;
  return status;
}

}  // namespace muster::vmm
