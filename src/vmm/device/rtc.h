#pragma once

#include <absl/base/thread_annotations.h>
#include <array>
#include <cstdint>
#include <functional>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/device/device_timer.h>
#include <muster/vmm/device/irq_line.h>

namespace muster::vmm {

// The clock of an MC146818 (Motorola's data sheet of that name): its registers 0 to 0x0d, the
// century, and IRQ 8 for a new second, an alarm and a periodic rate. The time is the host's in UTC,
// whatever is written to it. Any thread.
//
// Flags are found out when somebody looks or an interrupt is due: with none enabled no timer runs.
class Rtc {
 public:
  static constexpr uint8_t kRegisters = 0x0e, kCentury = 0x32;

  // Of CLOCK_REALTIME, in nanoseconds.
  static uint64_t HostTime();

  Rtc(IrqSink& irqs, DeviceTimer& timer, std::function<uint64_t()> time = HostTime);

  // Registers below kRegisters, and kCentury.
  uint8_t Read(uint8_t index);
  void Write(uint8_t index, uint8_t value);

  // Interrupts off, 24 hours, BCD, as firmware leaves it.
  void AsFirmwareLeaves();
  // The deadline has passed.
  void Expired();
  // Whether it is to interrupt by itself.
  bool MayInterrupt();

 private:
  uint8_t Encode(int value) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint8_t EncodeHour(int hour) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint8_t ReadTime(uint8_t index) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Runs() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nanoseconds; 0: there is no periodic rate.
  uint64_t Period() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The first second after `second` that the alarm names; kNever: none.
  uint64_t NextAlarm(uint64_t second) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sets the flags of what has happened since the last call.
  void CatchUp() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The line as the flags have it, and the timer for what is enabled.
  void Update() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  DeviceTimer& timer_;
  const std::function<uint64_t()> time_;
  IrqLine irq_;
  sync::Mutex mutex_;
  std::array<uint8_t, kRegisters> registers_ ABSL_GUARDED_BY(mutex_){};
  uint64_t second_ ABSL_GUARDED_BY(mutex_) = 0;  // up to which updates are in the flags
  uint64_t period_ ABSL_GUARDED_BY(mutex_) = 0;  // the same of periods, by the timer, ns
  bool armed_ ABSL_GUARDED_BY(mutex_) = false;
  bool rising_ ABSL_GUARDED_BY(mutex_) = false;  // the line is being driven
};

}  // namespace muster::vmm
