#pragma once

#include <absl/status/status.h>
#include <cstdint>

#include <muster/vcpu/kvm/vcpu_handle.h>
#include <muster/vcpu/run/doorbell.h>

namespace muster::vcpu {

// A set of signals as the kernel has it: bit n-1 is signal n. The C library's sigset_t is 16 times
// as long, and handled in calls of its own, for each Run.
using SignalSet = uint64_t;

// A thread's stay inside Run: it holds the run lock, and the kick signal stays blocked in the
// thread, so that KVM_RUN alone sees it and no handler is needed. When it ends, no kick is pending
// in the thread or on its way to it, and the thread's signal mask is as it was.
class RunSession {
 public:
  // `guest_mask` is what KVM_RUN has for its mask.
  RunSession(VcpuHandle& handle, Doorbell& doorbell, int kick_signal, SignalSet& guest_mask);
  ~RunSession();

  RunSession(const RunSession&) = delete;
  RunSession& operator=(const RunSession&) = delete;

  const absl::Status& status() const { return status_; }

 private:
  Doorbell& doorbell_;
  const int kick_signal_;
  const uint64_t kicks_before_;
  const bool claimed_;
  SignalSet thread_mask_;
  absl::Status status_;
};

// Takes the kick signal out of the calling thread's queue, if it is there.
void SwallowKick(int kick_signal);

}  // namespace muster::vcpu
