#include <muster/vmm/device/uart.h>

namespace muster::vmm {
namespace {

// Register offsets; 0 and 1 are the divisor where LCR.DLAB is set.
enum Register : uint16_t { kData, kIer, kIirFcr, kLcr, kMcr, kLsr, kMsr, kScr };

constexpr uint8_t kIerReceived = 0x01, kIerTransmitterEmpty = 0x02, kIerLineStatus = 0x04;
constexpr uint8_t kIerMask = 0x0f;
constexpr uint8_t kIirNone = 0x01, kIirTransmitterEmpty = 0x02, kIirReceived = 0x04,
                  kIirLineStatus = 0x06, kIirFifos = 0xc0;
constexpr uint8_t kFcrEnable = 0x01, kFcrClearReceiver = 0x02;
constexpr uint8_t kLcrDlab = 0x80;
constexpr uint8_t kMcrDtr = 0x01, kMcrRts = 0x02, kMcrOut1 = 0x04, kMcrOut2 = 0x08, kMcrLoop = 0x10,
                  kMcrMask = 0x1f;
constexpr uint8_t kLsrDataReady = 0x01, kLsrOverrun = 0x02, kLsrTransmitterEmpty = 0x60;
constexpr uint8_t kMsrCts = 0x10, kMsrDsr = 0x20, kMsrRi = 0x40, kMsrDcd = 0x80;
constexpr size_t kFifoBytes = 16;

}  // namespace

uint32_t Uart::Read(uint16_t offset, int) {
  sync::MutexLock lock(mutex_);
  return ReadRegister(offset);
}

void Uart::Write(uint16_t offset, int, uint32_t value) {
  const auto byte = static_cast<uint8_t>(value);
  bool transmit = false;
  {
    sync::MutexLock lock(mutex_);
    transmit = WriteRegister(offset, byte);
  }
  // Outside the lock: a reader that is slow holds up those who send, not those who look at LSR.
  if (transmit) output_.Put(byte);
}

uint8_t Uart::ReadRegister(uint16_t offset) {
  const bool divisor = line_control_ & kLcrDlab;
  switch (offset) {
    case kData: {
      if (divisor) return divisor_low_;
      if (received_.empty()) return 0;
      const uint8_t byte = received_.front();
      received_.pop_front();
      return byte;
    }
    case kIer:
      return divisor ? divisor_high_ : interrupt_enable_;
    case kIirFcr:
      return Identify();
    case kLcr:
      return line_control_;
    case kMcr:
      return modem_control_;
    case kLsr: {
      uint8_t status = kLsrTransmitterEmpty;
      if (!received_.empty()) status |= kLsrDataReady;
      if (overrun_) status |= kLsrOverrun;
      overrun_ = false;
      return status;
    }
    case kMsr:
      return ModemStatus();
    default:
      return scratch_;
  }
}

bool Uart::WriteRegister(uint16_t offset, uint8_t value) {
  const bool divisor = line_control_ & kLcrDlab;
  switch (offset) {
    case kData:
      if (divisor) {
        divisor_low_ = value;
        return false;
      }
      transmitter_said_empty_ = false;
      if (modem_control_ & kMcrLoop) {
        Receive(value);
        return false;
      }
      return true;
    case kIer:
      if (divisor) {
        divisor_high_ = value;
        return false;
      }
      // Enabling it while the transmitter is empty asks at once.
      if (value & ~interrupt_enable_ & kIerTransmitterEmpty) transmitter_said_empty_ = false;
      interrupt_enable_ = value & kIerMask;
      return false;
    case kIirFcr: {
      const bool fifos = value & kFcrEnable;
      if (fifos != fifos_ || (fifos && (value & kFcrClearReceiver))) received_.clear();
      fifos_ = fifos;
      return false;
    }
    case kLcr:
      line_control_ = value;
      return false;
    case kMcr:
      modem_control_ = value & kMcrMask;
      return false;
    case kScr:
      scratch_ = value;
      return false;
    default:  // LSR and MSR are for reading.
      return false;
  }
}

void Uart::Receive(uint8_t byte) {
  if (received_.size() < (fifos_ ? kFifoBytes : 1)) {
    received_.push_back(byte);
    return;
  }
  overrun_ = true;
  // Without FIFOs the new byte replaces the old one; with them the FIFO stays as it is.
  if (!fifos_) received_.back() = byte;
}

uint8_t Uart::Identify() {
  const uint8_t fifos = fifos_ ? kIirFifos : 0;
  if ((interrupt_enable_ & kIerLineStatus) && overrun_) return fifos | kIirLineStatus;
  if ((interrupt_enable_ & kIerReceived) && !received_.empty()) return fifos | kIirReceived;
  if ((interrupt_enable_ & kIerTransmitterEmpty) && !transmitter_said_empty_) {
    transmitter_said_empty_ = true;
    return fifos | kIirTransmitterEmpty;
  }
  return fifos | kIirNone;
}

uint8_t Uart::ModemStatus() const {
  if (!(modem_control_ & kMcrLoop)) return kMsrCts | kMsrDsr | kMsrDcd;
  uint8_t status = 0;
  if (modem_control_ & kMcrRts) status |= kMsrCts;
  if (modem_control_ & kMcrDtr) status |= kMsrDsr;
  if (modem_control_ & kMcrOut1) status |= kMsrRi;
  if (modem_control_ & kMcrOut2) status |= kMsrDcd;
  return status;
}

}  // namespace muster::vmm
