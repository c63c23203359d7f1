#pragma once

#include <cstdint>
#include <optional>

namespace muster::vmm {

// One 8259A interrupt controller (Intel's data sheet of that name), no lock and no ports, with the
// edge/level register that PCs have beside it. Names are those of the data sheet: IRR, ISR, IMR.
//
// Inputs are edges or levels. Either must stay until it is acknowledged: one that falls before has
// gone, and whoever acknowledges then gets the spurious input 7.
class I8259 {
 public:
  static constexpr unsigned kInputs = 8;
  static constexpr unsigned kSpurious = 7;

  // As PC firmware leaves it: initialised, vectors from `base`, every input masked.
  // `levels`: the inputs that may be made level-triggered. `cascade`: the input that another one is
  // on; none for that one.
  I8259(uint8_t base, uint8_t levels, std::optional<unsigned> cascade)
      : levels_(levels), cascade_(cascade) {
    AsFirmwareLeaves(base);
  }
  void AsFirmwareLeaves(uint8_t base);

  void SetInput(unsigned input, bool asserted);

  // What INT says: the input of the highest priority that may interrupt now.
  std::optional<unsigned> Pending() const;

  // INTA: the input in service from here on (or, with automatic EOI, done), kSpurious without one.
  unsigned Acknowledge();
  uint8_t Vector(unsigned input) const { return static_cast<uint8_t>(base_ | input); }

  // The two ports. A poll that was asked for is answered by the next read of either.
  uint8_t Read(bool odd_port);
  bool polled() const { return polled_; }
  void Write(bool odd_port, uint8_t value);

  uint8_t elcr() const { return elcr_; }
  void SetElcr(uint8_t value);

 private:
  enum class Expects : uint8_t { kOcw, kIcw2, kIcw3, kIcw4 };

  void WriteIcw1(uint8_t value);
  void WriteOcw2(uint8_t value);
  void WriteOcw3(uint8_t value);
  uint8_t Poll();
  // Of the inputs in `set`, the one of the highest priority.
  std::optional<unsigned> Highest(uint8_t set) const;
  void EndOfInterrupt(unsigned input) { isr_ &= static_cast<uint8_t>(~(1u << input)); }

  const uint8_t levels_;
  const std::optional<unsigned> cascade_;
  uint8_t inputs_ = 0;  // as they are
  uint8_t elcr_ = 0;    // 1: level-triggered
  uint8_t irr_ = 0, isr_ = 0, imr_ = 0;
  uint8_t base_ = 0;
  unsigned lowest_ = 7;  // the input of the lowest priority
  Expects expects_ = Expects::kOcw;
  bool single_ = false, expects_icw4_ = false;
  bool auto_eoi_ = false, rotates_ = false;
  bool special_mask_ = false, special_nested_ = false;
  bool polled_ = false, reads_isr_ = false;
};

}  // namespace muster::vmm
