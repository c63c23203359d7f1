#pragma once

#include <cstdint>

namespace muster::vcpu {

// The pair of 8259s, or whatever else answers interrupt acknowledge cycles, as the vCPUs see it;
// the library's user provides one. Its INTR is a wire: Vm::ExtIntRaised tells that it has risen,
// and each vCPU that it reaches looks at it again when it could take the interrupt. It reaches a
// vCPU through LINT0 where that is an unmasked ExtINT, and past a disabled APIC (SDM, "Enabling or
// Disabling the Local APIC"). LINT0 as a fixed interrupt or an NMI takes its rises.
//
// Where INTR also goes to a pin of the I/O APIC, in ExtINT mode, its user calls SetLine: that sends
// a message, which the vCPU answers by an acknowledge cycle whatever the wire is by then. So it
// does where the wire has ended its HLT. Neither function throws.
class ExtIntSource {
 public:
  virtual ~ExtIntSource() = default;

  // The wire's level. Any thread, at any time: it answers at once, and takes no lock that is held
  // around a call of the library.
  virtual bool Asserted() const = 0;

  // vCPU `cpu` takes the interrupt, whose vector this gives: that of a spurious one where the
  // request has gone. On the vCPU's thread, inside Run, with no lock held. May call SetLine and
  // SendMessage of that Vcpu.
  virtual uint8_t Acknowledge(int cpu) = 0;
};

}  // namespace muster::vcpu
