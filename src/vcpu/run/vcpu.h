#pragma once

#include <muster/vcpu/run/exit.h>
#include <muster/vcpu/run/inspection.h>

namespace muster::vcpu {

// One vCPU of a Vm. Run belongs to one thread at a time, and best to the same one always: KVM
// charges milliseconds for a change on some hosts.
class Vcpu {
 public:
  int index() const;

  // Runs the guest until something happens that only the caller can deal with. A second thread
  // inside Run of the same vCPU gets a HostErrorExit. Blocks while the vCPU is halted or waits
  // for SIPI. After a GuestFaultExit or HostErrorExit the vCPU is offline.
  Exit Run();

  // The vCPU as it is now. Only while no thread is inside Run.
  Inspection Inspect();
};

}  // namespace muster::vcpu
