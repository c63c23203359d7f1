#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <cstdint>
#include <memory>
#include <vector>

#include <muster/rendezvous/cpu_set.h>
#include <muster/vcpu/run/inspection.h>

namespace muster::vcpu {

class VmCore;

// A Vm whose vCPUs stand still, and its clocks with them, until Resume or destruction; from
// Vm::Pause. Any thread but one inside Run. The Vm outlives it.
//
// The guest's timers stand by Clock::Hold. On Resume each vCPU's TSC and KVM's paravirtual clock go
// on from where they stood, and a guest that uses that clock is told of the pause
// (KVM_KVMCLOCK_CTRL), so that its watchdogs keep quiet. Where RDTSC obeys no offset
// (HostTraits::rdtsc_obeys_offset) it has gone on: nothing can be done about that.
class Pause {
 public:
  // What is moved from is resumed: it holds nothing.
  Pause(Pause&& other) noexcept;
  // Resumes what it held.
  Pause& operator=(Pause&& other) noexcept;
  // Ends it, whatever comes of it: where Resume would be refused, the TSCs of some vCPUs show it.
  ~Pause();

  // The vCPUs that stand still, those added since included.
  rendezvous::CpuSet standing() const;

  // Vm::InspectAll of the world as it stands, which that one would wait for.
  std::vector<Inspection> InspectAll();
  // One of them. NotFound where it is not there, FailedPrecondition after Resume.
  absl::StatusOr<Inspection> Inspect(int cpu);

  // Lets the vCPUs go on. Another error than the following is that of setting a clock, and they go
  // on all the same. FailedPrecondition where the rendezvous is refused, as in an observer: the
  // pause lasts. Once it has ended a call does nothing.
  absl::Status Resume();
  // Whether it has yet to end.
  bool lasts() const { return state_ != nullptr; }

 private:
  friend class VmCore;
  struct State;
  explicit Pause(std::unique_ptr<State> state);
  absl::Status End();
  std::unique_ptr<State> state_;  // null: resumed
};

}  // namespace muster::vcpu
