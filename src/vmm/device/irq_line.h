#pragma once

#include <absl/base/thread_annotations.h>

#include <muster/rendezvous/sync.h>

namespace muster::vmm {

// Where the lines of devices end: the board's, or the I/O APIC's pins. Any thread, with no lock of
// a device held: a line may reset vCPUs, which are waited for then.
class IrqSink {
 public:
  virtual ~IrqSink() = default;
  virtual void SetLine(unsigned line, bool asserted) = 0;
  // A line that is up falls and rises at once: no time passes in which it is down.
  virtual void Pulse(unsigned line) {
    SetLine(line, false);
    SetLine(line, true);
  }
  // The 8259s' INTR has risen: see vcpu::Vm::ExtIntRaised.
  virtual void IntrRaised() {}
};

// A device's interrupt request. The device says under its own lock what the line is to be, and
// drives it once it has let go of the lock. Every change that was said is driven, in order, by
// whichever thread is there: a pulse between two edges is never lost. Down and up again, said
// together, are one: a request that waits is not taken back for a moment.
class IrqLine {
 public:
  IrqLine(IrqSink& sink, unsigned line) : sink_(sink), line_(line) {}

  void Want(bool asserted) ABSL_LOCKS_EXCLUDED(mutex_);
  void Drive() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  IrqSink& sink_;
  const unsigned line_;
  sync::Mutex mutex_;
  bool driven_ ABSL_GUARDED_BY(mutex_) = false;
  unsigned changes_ ABSL_GUARDED_BY(mutex_) = 0;  // said, and not driven yet
  bool driving_ ABSL_GUARDED_BY(mutex_) = false;  // a thread is inside the sink
};

}  // namespace muster::vmm
