#pragma once

#include <absl/status/statusor.h>

#include <muster/vcpu/kvm/host_traits.h>
#include <muster/vcpu/kvm/system.h>
#include <muster/vcpu/kvm/vcpu_handle.h>
#include <muster/vcpu/kvm/vm_handle.h>

namespace muster::vcpu {

// What ProbeIn found, and the vCPU that it has left behind: KVM cannot take one out of a VM.
struct ProbedVm {
  HostTraits traits;
  VcpuHandle vcpu;
};

// The same inside `vm`, whose vCPUs may be running, on one more vCPU of number `id`; for the time
// there is memory at kProbeAddress. Half a millisecond where KVM emulates instructions, 4 where it
// is nested. rdtsc_obeys_offset stays false: a vCPU whose TSC is apart from the others' costs a
// guest the stability of KVM's clock. Whoever moves theirs has to move this one's with them.
absl::StatusOr<ProbedVm> ProbeIn(const System& system, const VmHandle& vm, int id);

}  // namespace muster::vcpu
