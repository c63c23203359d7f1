#pragma once

#include <absl/base/thread_annotations.h>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/device/irq_line.h>
#include <muster/vmm/device/line_buffer.h>
#include <muster/vmm/device/port_bus.h>

namespace muster::vmm {

// A 16550 UART (PC16550D data sheet) whose line has no speed: it transmits at once, and what is
// received and stays below the trigger level times out at once. Eight ports of a byte each. Other
// than on a PC's board, OUT2 does not gate the interrupt; small kernels leave it 0.
class Uart : public PortDevice {
 public:
  static constexpr uint16_t kCom1 = 0x3f8;
  static constexpr unsigned kCom1Line = 4;
  static constexpr uint16_t kPorts = 8;

  Uart(LineBuffer& output, IrqSink& irqs, unsigned line = kCom1Line)
      : output_(output), irq_(irqs, line) {}

  uint32_t Read(uint16_t offset, int size) override;
  void Write(uint16_t offset, int size, uint32_t value) override;

  // Bytes from outside, as many as there is room for; how many that was. None before the guest has
  // looked for input once: what it sets up would wipe them out. Any thread.
  size_t Receive(std::span<const uint8_t> bytes);
  // `room` is called, with no lock held, when there may be room again. Before the first access.
  void SetRoomObserver(std::function<void()> room) { room_ = std::move(room); }
  // Whether received bytes interrupt.
  bool InterruptsOnReceipt();

 private:
  // What the lock's holder leaves to be done once it has let go.
  struct After {
    bool transmit = false;
    bool room = false;
  };
  uint8_t ReadRegister(uint16_t offset, After& after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteRegister(uint16_t offset, uint8_t value, After& after)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteModemControl(uint8_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Push(uint8_t byte) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Listen(After& after) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  size_t Room() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The interrupt of the highest priority that is due, as IIR names it.
  uint8_t Identify() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint8_t ModemLines() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Update() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  LineBuffer& output_;
  IrqLine irq_;
  std::function<void()> room_ = [] {};
  sync::Mutex mutex_;
  uint8_t interrupt_enable_ ABSL_GUARDED_BY(mutex_) = 0;
  uint8_t line_control_ ABSL_GUARDED_BY(mutex_) = 0;
  uint8_t modem_control_ ABSL_GUARDED_BY(mutex_) = 0;
  uint8_t modem_changes_ ABSL_GUARDED_BY(mutex_) = 0;  // MSR[3:0]
  uint8_t scratch_ ABSL_GUARDED_BY(mutex_) = 0;
  uint8_t divisor_low_ ABSL_GUARDED_BY(mutex_) = 1;
  uint8_t divisor_high_ ABSL_GUARDED_BY(mutex_) = 0;
  bool fifos_ ABSL_GUARDED_BY(mutex_) = false;
  uint8_t trigger_level_ ABSL_GUARDED_BY(mutex_) = 1;
  bool overrun_ ABSL_GUARDED_BY(mutex_) = false;
  // The transmitter has emptied since IIR last said so.
  bool transmitter_emptied_ ABSL_GUARDED_BY(mutex_) = false;
  bool listening_ ABSL_GUARDED_BY(mutex_) = false;  // the guest has looked for input
  std::deque<uint8_t> received_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace muster::vmm
