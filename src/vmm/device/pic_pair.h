#pragma once

#include <absl/base/thread_annotations.h>
#include <atomic>
#include <cstdint>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/device/i8259.h>
#include <muster/vmm/device/irq_line.h>
#include <muster/vmm/device/port_bus.h>

namespace muster::vmm {

// The two 8259s of a PC, the second on input 2 of the first, with the edge/level registers of the
// EISA bus that chipsets have kept. INTR goes to LINT0 of every local APIC and to pin 0 of the I/O
// APIC. Any thread.
class PicPair {
 public:
  static constexpr uint16_t kMaster = 0x20, kSlave = 0xa0, kElcr = 0x4d0;
  static constexpr uint16_t kPorts = 2;  // of each of the three
  static constexpr unsigned kLines = 16;
  static constexpr unsigned kCascade = 2;  // no line of a device's

  // `pins` is told when INTR rises, and has it as line 0.
  explicit PicPair(IrqSink& pins) : pins_(pins), intr_pin_(pins, 0) {}

  // Initialised, all masked. The lines stay as they are.
  void AsFirmwareLeaves();

  // An ISA interrupt, 0 to 15; kCascade has no effect.
  void SetLine(unsigned irq, bool asserted);
  // See IrqSink.
  void Pulse(unsigned irq);

  // INTR.
  bool Asserted() const { return asserted_.load(std::memory_order_acquire); }
  // INTA: the vector, a spurious one of input 7 where the request has gone.
  uint8_t Acknowledge();

  PortDevice& master() { return master_port_; }
  PortDevice& slave() { return slave_port_; }
  PortDevice& elcr() { return elcr_port_; }

 private:
  // Who is behind a pair of ports.
  class ChipPort : public PortDevice {
   public:
    ChipPort(PicPair& pair, bool slave) : pair_(pair), slave_(slave) {}
    uint32_t Read(uint16_t offset, int) override { return pair_.ReadChip(slave_, offset != 0); }
    void Write(uint16_t offset, int, uint32_t value) override {
      pair_.WriteChip(slave_, offset != 0, static_cast<uint8_t>(value));
    }

   private:
    PicPair& pair_;
    const bool slave_;
  };
  class ElcrPort : public PortDevice {
   public:
    explicit ElcrPort(PicPair& pair) : pair_(pair) {}
    uint32_t Read(uint16_t offset, int) override { return pair_.ReadElcr(offset != 0); }
    void Write(uint16_t offset, int, uint32_t value) override {
      pair_.WriteElcr(offset != 0, static_cast<uint8_t>(value));
    }

   private:
    PicPair& pair_;
  };

  uint8_t ReadChip(bool slave, bool odd_port) ABSL_LOCKS_EXCLUDED(mutex_);
  void WriteChip(bool slave, bool odd_port, uint8_t value) ABSL_LOCKS_EXCLUDED(mutex_);
  uint8_t ReadElcr(bool slave) ABSL_LOCKS_EXCLUDED(mutex_);
  void WriteElcr(bool slave, uint8_t value) ABSL_LOCKS_EXCLUDED(mutex_);

  // Runs `change` on the two under the lock, then drives INTR.
  template <typename Change>
  auto Apply(Change&& change) ABSL_LOCKS_EXCLUDED(mutex_);
  // INT of the second falls for a moment when it is acknowledged; then it is what it is to be.
  void Cascade(bool acknowledged) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  I8259& chip(bool slave) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return slave ? slave_ : master_; }

  IrqSink& pins_;
  IrqLine intr_pin_;
  std::atomic<bool> asserted_{false};  // written under the lock
  sync::Mutex mutex_;
  // IRQs 0, 1, 2, 8 and 13 are edges on every PC.
  I8259 master_ ABSL_GUARDED_BY(mutex_){0x08, 0xf8, kCascade};
  I8259 slave_ ABSL_GUARDED_BY(mutex_){0x70, 0xde, std::nullopt};
  ChipPort master_port_{*this, false}, slave_port_{*this, true};
  ElcrPort elcr_port_{*this};
};

}  // namespace muster::vmm
