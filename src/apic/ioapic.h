#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <muster/apic/ioapic_regs.h>
#include <muster/apic/message.h>

namespace muster::apic {

/// What the board says about this I/O APIC.
struct IoApicConfig {
  uint8_t id = 0;     ///< 4 bits of it
  uint8_t pins = 24;  ///< 1 to kMaxIoApicPins; 0 is 1, and more is as many as these
};

/// A message and the pin that it comes from.
struct PinMessage {
  uint8_t pin = 0;
  Message message;

  bool operator==(const PinMessage&) const = default;
};

/// An entry now routes its interrupts elsewhere, or as something else. The write has evaluated
/// nothing: once no message of the old entry is on its way, the caller calls Evaluate().
struct RoutingChange {
  uint8_t pin = 0;
  Rte before;
  Rte after;

  bool operator==(const RoutingChange&) const = default;
};

/// What the caller has to do after an IoApic has changed.
struct IoApicEffects {
  /// To be posted before another call to the same IoApic: a routing change must find every message
  /// of the old entry where it can look for it.
  std::vector<PinMessage> messages;
  /// To be served with no lock held.
  std::optional<RoutingChange> rerouted;

  bool operator==(const IoApicEffects&) const = default;
};

/// Totals since construction; Reset() keeps them.
struct IoApicCounters {
  uint64_t messages = 0;
  uint64_t lost_edges = 0;    ///< on masked pins
  uint64_t unaccepted = 0;    ///< level messages that nobody accepted
  uint64_t unsent = 0;        ///< interrupts of entries with a reserved delivery mode
  uint64_t odd_accesses = 0;  ///< stores that are no access to a register

  bool operator==(const IoApicCounters&) const = default;
};

/// An I/O APIC, version 0x20: registers and pins, no lock and no destination. A copy is a snapshot.
///
/// A line carries "asserted", not a voltage: the board is wired with the polarity that the guest
/// programs, and the bit is only stored.
///
/// Pins that do not exist do nothing, send nothing, and read as masked and not asserted.
class IoApic {
 public:
  /// As after power-on, no line asserted.
  explicit IoApic(const IoApicConfig& config);

  /// Power-on state: every entry masked. The lines stay as they are.
  void Reset();

  /// An edge goes out at once or, masked, is lost. A level goes out while there is none on its way
  /// or in service, and waits while masked.
  IoApicEffects SetLine(unsigned pin, bool asserted);

  /// An access at `offset` in the page. Loads give the bytes of IOREGSEL and IOWIN, else zero.
  /// IOREGSEL and EOI take the first byte of a store, IOWIN 32 bits; any other store has no effect.
  void MmioRead(uint32_t offset, std::span<uint8_t> data) const;
  /// A store in the page: see MmioRead().
  IoApicEffects MmioWrite(uint32_t offset, std::span<const uint8_t> data);

  /// A local APIC has ended a level-triggered vector: pins with that vector may interrupt again.
  IoApicEffects Eoi(uint8_t vector);

  /// Nobody has accepted the level message that `pin` has sent. The pin is not waiting for an EOI
  /// any more, but is not sent again either: whoever discards one would discard the next. The next
  /// change of the line or the entry, EOI of the vector, Retry() or Evaluate() sends it.
  void Unaccepted(unsigned pin);
  /// Whether `pin` has sent a level message with this vector and waits for its EOI.
  bool AwaitsEoi(unsigned pin, uint8_t vector) const;
  /// A local APIC was enabled, and may accept now what it discarded: evaluates every pin.
  IoApicEffects Retry();

  /// Sends for the pin if it is a level that waits. To be called after a RoutingChange, and after
  /// Unaccepted() where there is somebody else to send to.
  IoApicEffects Evaluate(unsigned pin);

  /// How many there are.
  unsigned pins() const { return static_cast<unsigned>(pins_.size()); }
  /// The redirection table entry, Remote IRR included.
  Rte entry(unsigned pin) const { return pin < pins() ? pins_[pin].entry : Rte(Rte::kReset); }
  /// The line as SetLine() left it.
  bool asserted(unsigned pin) const { return pin < pins() && pins_[pin].asserted; }
  /// Totals since construction.
  const IoApicCounters& counters() const { return counters_; }

  /// The first broken invariant in words, or nullptr. For tests and debug builds.
  const char* CheckInvariants() const;

  bool operator==(const IoApic&) const = default;

 private:
  struct Pin {
    Rte entry{Rte::kReset};
    bool asserted = false;
    /// Of the level message that set Remote IRR; the entry may have another by now.
    uint8_t sent_vector = 0;

    bool operator==(const Pin&) const = default;
  };

  uint32_t ReadSelected() const;
  void WriteSelected(uint32_t value, IoApicEffects& effects);
  void WriteEntry(unsigned pin, Rte value, IoApicEffects& effects);
  /// Sends if `pin` is a level that waits.
  void EvaluateLevel(unsigned pin, IoApicEffects& effects);
  void Send(unsigned pin, IoApicEffects& effects);

  uint8_t select_ = 0;
  IoApicId id_;
  IoApicId arbitration_;  ///< of the APIC bus: the id as last written
  uint8_t initial_id_ = 0;
  std::vector<Pin> pins_;
  IoApicCounters counters_;
};

}  // namespace muster::apic
