#pragma once

#include <absl/base/thread_annotations.h>
#include <array>
#include <cstdint>
#include <optional>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/device/device_timer.h>
#include <muster/vmm/device/i8254_counter.h>
#include <muster/vmm/device/irq_line.h>
#include <muster/vmm/device/port_bus.h>

namespace muster::vmm {

// A PC's 8254: counter 0 drives IRQ 0, counter 2 the speaker, which port 0x61 gates; counter 1,
// once for the refresh of memory, just counts. None counts before a guest says so.
//
// OUT of counter 0 is on the line whole but where it is periodic: there it falls for its rise
// alone, so that a guest whose interrupts are off for half a period misses nothing. Rises closer
// together than kShortestNs are one, as are those that the host was late for.
class Pit : public PortDevice {
 public:
  static constexpr uint16_t kPort = 0x40;
  static constexpr uint16_t kPorts = 4;
  static constexpr uint64_t kShortestNs = 100'000;

  Pit(IrqSink& irqs, DeviceTimer& timer) : timer_(timer), irq_(irqs, 0) {}

  uint32_t Read(uint16_t offset, int size) override;
  void Write(uint16_t offset, int size, uint32_t value) override;

  // No counter counts.
  void AsFirmwareLeaves();
  // The deadline has passed.
  void Expired();
  // Whether IRQ 0 is to rise by itself.
  bool MayInterrupt();

  // Counter 2, for port 0x61.
  void SetSpeakerGate(bool high);
  bool SpeakerOut();
  uint64_t NowNs() { return timer_.NowNs(); }

 private:
  uint64_t Ticks() { return ToTicks(timer_.NowNs()); }
  static uint64_t ToTicks(uint64_t ns);
  static uint64_t ToNs(uint64_t ticks);
  void WriteControl(uint8_t value, uint64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Has the line rise where counter 0 has since this was last called.
  void Rise(uint64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Looks for the next rise.
  void Expect(uint64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  DeviceTimer& timer_;
  IrqLine irq_;
  sync::Mutex mutex_;
  std::array<I8254Counter, 3> counters_ ABSL_GUARDED_BY(mutex_) = {
      I8254Counter(true), I8254Counter(true), I8254Counter(false)};
  std::optional<uint64_t> rise_ ABSL_GUARDED_BY(mutex_);  // in ticks
  uint64_t earliest_ns_ ABSL_GUARDED_BY(mutex_) = 0;      // of the next one on the line
  bool rising_ ABSL_GUARDED_BY(mutex_) = false;           // it is being driven
};

}  // namespace muster::vmm
