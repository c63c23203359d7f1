#pragma once

#include <cstdint>
#include <optional>

#include <muster/apic/message.h>

namespace muster::apic {

/// The clocks as a vCPU sees them when it calls: its APIC's input clock counts nanoseconds.
struct Now {
  uint64_t ns = 0;
  uint64_t tsc = 0;  ///< guest TSC
};

/// What the caller has to do after a Lapic has changed. Nothing of it is repeated by a later call.
struct Effects {
  /// To be sent. Fixed IPIs by the self shorthand or SELF IPI never come here: the Lapic has
  /// accepted them already. kAllIncludingSelf does: the sender is one of its targets.
  std::optional<Ipi> ipi;
  /// A level-triggered vector whose EOI goes to the I/O APICs.
  std::optional<uint8_t> eoi;
  /// NextDeadline() differs from what the caller has armed.
  bool timer_changed = false;
  /// identity() differs: to be published before the guest goes on.
  bool identity_changed = false;
  /// MmioPage() differs.
  bool page_changed = false;
  /// AcceptsExtInt() has become true: the wire may be high already.
  bool extint_opened = false;
  /// This processor gets an NMI, or an INIT, from a local pin or from itself.
  bool nmi = false;
  bool init = false;

  bool operator==(const Effects&) const = default;
};

}  // namespace muster::apic
