#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <vector>

#include <muster/apic/message.h>
#include <muster/vcpu/run/devices.h>
#include <muster/vcpu/run/exit.h>
#include <muster/vcpu/run/inspection.h>
#include <muster/vcpu/run/start_state.h>
#include <muster/vcpu/trace/event_ring.h>

namespace muster::vcpu {

class VmCore;

// One vCPU of a Vm, which owns it; or the place of one, that was not added or has been removed:
// there each call fails with NotFound, and Run of one removed returns StoppedExit::removed.
class Vcpu {
 public:
  // Its number in the Vm, and its APIC id.
  int index() const { return cpu_; }

  // Runs the guest until something happens that only the caller can deal with; blocks while the
  // vCPU is halted or waits for SIPI. One thread at a time (a second one gets a HostErrorExit), and
  // best always the same: on some hosts KVM charges milliseconds for a change. After a
  // GuestFaultExit, a StoppedExit or a HostErrorExit the vCPU does not run again, but for one of
  // misuse, which changes nothing.
  Exit Run();

  // The same, serving exits by `devices`. Returns what they leave to the caller, and all that is no
  // access. A call of Run meanwhile, by another thread or out of a callback, gets a HostErrorExit
  // (FailedPrecondition), and changes nothing.
  Exit Run(Devices& devices);

  // Vm::SendMessage and Vm::SetLine for devices that serve an exit of this vCPU, on the thread that
  // runs it and between two Runs. From there the Vm's own would wait for this very thread where
  // they send an INIT; after these the vCPU has it before it executes another instruction.
  absl::Status SendMessage(const apic::Message& message);
  // See SendMessage.
  absl::Status SetLine(unsigned pin, bool asserted);

  // Between two Runs as well: from the next Run on this vCPU executes nothing, until LetGo is
  // called once for it, by any thread, or INIT ends what it was doing. Held inside Run it sleeps,
  // its exit finished: it takes part in meetings, INIT, pauses and Vm::Stop like a halted one, and
  // interrupts wait. The first that can be taken comes before its next instruction.
  absl::Status Hold();
  // See Hold. Any thread, at any time.
  void LetGo();

  // Between two Runs as well: the bootstrap processor begins anew at `start`, with its local APIC
  // as firmware leaves it and every pin of the I/O APIC masked, whatever it was doing; nothing that
  // was pending arrives. InvalidArgument for another vCPU, and where `start` breaks a rule of
  // StartState. This and Hold wait for the end of a pause in which the vCPU stands, of which
  // VmConfig::observer is told where it lasts. FailedPrecondition instead in a callback of another
  // vCPU, for which the end of the pause may wait.
  absl::Status StartAgain(const StartState& start);

  // The vCPU as it stands, and its last events. FailedPrecondition while its thread is awake inside
  // Run: see Vm::InspectAll, which asks it. Never waits for a vCPU.
  absl::StatusOr<Inspection> Inspect();
  // Its last events alone, oldest first (see VmConfig::trace_events). Errors as of Inspect.
  absl::StatusOr<std::vector<Event>> Events() const;

 private:
  friend class VmCore;
  Vcpu(VmCore& vm, int cpu) : vm_(&vm), cpu_(cpu) {}

  Exit WithoutCore() const;

  VmCore* vm_;
  int cpu_;
};

}  // namespace muster::vcpu
