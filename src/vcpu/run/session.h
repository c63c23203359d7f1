#pragma once

#include <absl/status/status.h>
#include <cstdint>
#include <sys/types.h>
#include <unistd.h>

#include <muster/vcpu/kvm/vcpu_handle.h>
#include <muster/vcpu/run/doorbell.h>

namespace muster::vcpu {

// A set of signals as the kernel has it: bit n-1 is signal n. The C library's sigset_t is 16 times
// as long, and handled in calls of its own, for each Run.
using SignalSet = uint64_t;

// The kick's signal, and what is known of the masks of one vCPU; its owner's.
struct KickMask {
  const int signal;
  const bool stays_blocked;  // VmConfig::kick_stays_blocked

  // That KVM_RUN has now. At first it differs from every thread's, in that the kick is blocked.
  SignalSet in_guest = ~SignalSet{0};
  // The thread for which that was looked at last, where masks stay as they are.
  pid_t seen = 0;
};

// The calling thread's id, asked for once in each process: a system call for each Run shows, and a
// child of fork() has its parent's thread-local variables.
inline pid_t ThisThread(pid_t process) {
  struct Known {
    pid_t process, thread;
  };
  constinit static thread_local Known known{};
  if (known.process != process) [[unlikely]]
    known = {process, gettid()};
  return known.thread;
}

// Takes the kick signal out of the calling thread's queue, if it is there.
void SwallowKick(int kick_signal);

// A thread's stay inside Run: it holds the run lock, and the kick signal stays blocked in the
// thread, so that KVM_RUN alone sees it and no handler is needed. When it ends, no kick is pending
// in the thread or on its way to it, and the thread's signal mask is as it was.
class RunSession {
 public:
  // Inline, both: see Doorbell.
  RunSession(VcpuHandle& handle, Doorbell& doorbell, KickMask& mask)
      : doorbell_(doorbell),
        kick_signal_(mask.signal),
        claimed_(doorbell.Claim(ThisThread(doorbell.process()))),
        kicks_before_(doorbell.kicks()) {
    if (!claimed_) [[unlikely]] {
      status_ = Busy(handle);
    } else if (mask.seen != ThisThread(doorbell.process())) {
      status_ = AdoptMask(handle, mask);
    }
  }
  ~RunSession() {
    if (!claimed_) return;  // the run lock is another's
    doorbell_.Release();
    // Every kick since this began has been sent: one may be left in the queue.
    if (doorbell_.kicks() != kicks_before_) SwallowKick(kick_signal_);
    if (unblock_) PutMaskBack();
  }

  RunSession(const RunSession&) = delete;
  RunSession& operator=(const RunSession&) = delete;

  const absl::Status& status() const { return status_; }
  // False: another thread is inside.
  bool claimed() const { return claimed_; }

 private:
  static absl::Status Busy(const VcpuHandle& handle);
  absl::Status AdoptMask(VcpuHandle& handle, KickMask& mask);
  void PutMaskBack() const;

  Doorbell& doorbell_;
  const int kick_signal_;
  const bool claimed_;
  const uint64_t kicks_before_;  // none of them is on its way any more
  bool unblock_ = false;         // the kick was not blocked before
  SignalSet thread_mask_ = 0;    // then: the mask to be put back
  absl::Status status_;
};

}  // namespace muster::vcpu
