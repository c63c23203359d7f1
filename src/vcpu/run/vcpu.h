#pragma once

#include <vector>

#include <muster/vcpu/run/exit.h>
#include <muster/vcpu/run/inspection.h>
#include <muster/vcpu/trace/event_ring.h>

namespace muster::vcpu {

class VcpuCore;

// One vCPU of a Vm, which owns it.
class Vcpu {
 public:
  explicit Vcpu(VcpuCore& core) : core_(&core) {}

  int index() const;

  // Runs the guest until something happens that only the caller can deal with; blocks while the
  // vCPU is halted or waits for SIPI. One thread at a time (a second one gets a HostErrorExit), and
  // best always the same: on some hosts KVM charges milliseconds for a change. After a
  // GuestFaultExit, a HostErrorExit or a StoppedExit the vCPU does not run again.
  Exit Run();

  // The vCPU as it stands, and its last events. Only while no thread is inside Run.
  Inspection Inspect();
  std::vector<Event> Events() const;

 private:
  VcpuCore* core_;
};

}  // namespace muster::vcpu
