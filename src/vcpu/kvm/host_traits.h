#pragma once

#include <absl/status/statusor.h>

#include <muster/vcpu/kvm/system.h>

namespace muster::vcpu {

// Where KVMs differ in a way that the run loop must know. The defaults are safe everywhere.
struct HostTraits {
  // request_interrupt_window exits at the first instruction boundary where an interrupt can be
  // taken. False: KVM looks only now and then, and a short window passes unseen; single-step.
  bool exact_windows = false;
  // Lowering CR8 exits with KVM_EXIT_SET_TPR.
  bool set_tpr_exits = false;
  // WRMSR of IA32_TSC_DEADLINE obeys the MSR filter. False: KVM swallows it, and the guest must
  // not be offered that timer mode.
  bool tsc_deadline_exits = false;
};

// Finds out by running a few instructions in a VM of its own. Costs about a millisecond on an
// emulating KVM and tens of milliseconds on some nested ones: not at each start.
absl::StatusOr<HostTraits> ProbeHost(const System& system);

}  // namespace muster::vcpu
