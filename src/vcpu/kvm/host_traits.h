#pragma once

#include <absl/status/statusor.h>

namespace muster::vcpu {

class System;  // <muster/vcpu/kvm/system.h>

// Where KVMs differ in a way that the run loop must know. With the defaults
// every interrupt comes, everywhere. But where the processor and not KVM makes the steps, flags
// that a stepped INT n or fault pushes have TF set, and the guest's IRET brings it a #DB: such KVMs
// have exact windows, and are not to be run without.
struct HostTraits {
  // request_interrupt_window exits at the first instruction boundary where an interrupt can be
  // taken. False: KVM looks only now and then, and a short window passes unseen; single-step.
  bool exact_windows = false;
  // Lowering CR8 exits with KVM_EXIT_SET_TPR.
  bool set_tpr_exits = false;
  // WRMSR of IA32_TSC_DEADLINE obeys the MSR filter. False: KVM swallows it (on VMX, by a fast path
  // that comes before the filter), and the guest must not be offered that timer mode.
  bool tsc_deadline_exits = false;
  // RDTSC in the guest obeys KVM_VCPU_TSC_OFFSET.
  bool rdtsc_obeys_offset = false;

  bool operator==(const HostTraits&) const = default;
};

// Finds out by running a few instructions in a VM of its own, which closes before this returns.
// A millisecond where KVM emulates instructions, 40 where it is nested, most of them for the VM.
// Call it while another VM exists: some nested KVMs do not survive a number of VMs that returns to
// 0 often.
absl::StatusOr<HostTraits> ProbeHost(const System& system);

}  // namespace muster::vcpu
