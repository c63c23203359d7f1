#pragma once

#include <absl/base/thread_annotations.h>
#include <cstdint>
#include <deque>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/device/irq_line.h>
#include <muster/vmm/device/port_bus.h>
#include <muster/vmm/device/run_control.h>

namespace muster::vmm {

// The keyboard controller of a PC (IBM PC AT Technical Reference, "Keyboard Controller") and a
// keyboard that nobody types on: it answers what kernels ask to find it, at once. There is no
// second port: its test says that its clock is stuck. Command 0xfe pulses the processors' reset
// line, and so does bit 0 of the output port.
class I8042 {
 public:
  static constexpr uint16_t kData = 0x60, kCommand = 0x64;

  I8042(RunControl& control, IrqSink& irqs) : control_(control), irq_(irqs, 1) {}

  PortDevice& data() { return data_; }
  PortDevice& command() { return command_; }

  // No answer outstanding, interrupts off.
  void AsFirmwareLeaves();

 private:
  class Port : public PortDevice {
   public:
    Port(I8042& owner, bool command) : owner_(owner), command_(command) {}
    uint32_t Read(uint16_t, int) override {
      return command_ ? owner_.ReadStatus() : owner_.ReadData();
    }
    void Write(uint16_t, int, uint32_t value) override {
      const auto byte = static_cast<uint8_t>(value);
      command_ ? owner_.WriteCommand(byte) : owner_.WriteData(byte);
    }

   private:
    I8042& owner_;
    const bool command_;
  };

  uint8_t ReadStatus();
  uint8_t ReadData();
  void WriteCommand(uint8_t value);
  void WriteData(uint8_t value);

  // A byte of the controller's or the keyboard's.
  void Answer(uint8_t byte) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // True: the output port resets the processors.
  bool Parameter(uint8_t command, uint8_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ToKeyboard(uint8_t value) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Update() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  RunControl& control_;
  IrqLine irq_;
  Port data_{*this, false}, command_{*this, true};
  sync::Mutex mutex_;
  uint8_t mode_ ABSL_GUARDED_BY(mutex_) = 0x74;            // the command byte
  uint8_t awaits_ ABSL_GUARDED_BY(mutex_) = 0;             // the command whose parameter is next
  uint8_t keyboard_awaits_ ABSL_GUARDED_BY(mutex_) = 0;    // the same, of the keyboard
  bool last_was_command_ ABSL_GUARDED_BY(mutex_) = false;  // status bit 3
  std::deque<uint8_t> answers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace muster::vmm
