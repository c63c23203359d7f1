#pragma once

#include <absl/base/thread_annotations.h>
#include <cstdint>
#include <deque>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/device/line_buffer.h>
#include <muster/vmm/device/port_bus.h>

namespace muster::vmm {

// A 16550 UART (PC16550D data sheet) that transmits at once and receives what it sends itself in
// loopback. Eight ports of a byte each.
class Uart : public PortDevice {
 public:
  static constexpr uint16_t kCom1 = 0x3f8;
  static constexpr uint16_t kPorts = 8;

  explicit Uart(LineBuffer& output) : output_(output) {}

  uint32_t Read(uint16_t offset, int size) override;
  void Write(uint16_t offset, int size, uint32_t value) override;

 private:
  uint8_t ReadRegister(uint16_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // True where `value` goes out of the transmitter.
  bool WriteRegister(uint16_t offset, uint8_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Receive(uint8_t byte) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint8_t Identify() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint8_t ModemStatus() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  LineBuffer& output_;
  sync::Mutex mutex_;
  uint8_t interrupt_enable_ ABSL_GUARDED_BY(mutex_) = 0;
  uint8_t line_control_ ABSL_GUARDED_BY(mutex_) = 0;
  uint8_t modem_control_ ABSL_GUARDED_BY(mutex_) = 0;
  uint8_t scratch_ ABSL_GUARDED_BY(mutex_) = 0;
  uint8_t divisor_low_ ABSL_GUARDED_BY(mutex_) = 12;  // 9,600 baud
  uint8_t divisor_high_ ABSL_GUARDED_BY(mutex_) = 0;
  bool fifos_ ABSL_GUARDED_BY(mutex_) = false;
  bool overrun_ ABSL_GUARDED_BY(mutex_) = false;
  bool transmitter_said_empty_ ABSL_GUARDED_BY(mutex_) = true;  // reading IIR took note of it
  std::deque<uint8_t> received_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace muster::vmm
