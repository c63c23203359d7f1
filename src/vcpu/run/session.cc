#include <cstring>
#include <fmt/format.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <muster/vcpu/run/session.h>

namespace muster::vcpu {

void SwallowKick(int kick_signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, kick_signal);
  const timespec now{};
  // A signal that is no real-time one is queued once at most.
  while (sigtimedwait(&set, nullptr, &now) < 0 && errno == EINTR) {
  }
}

RunSession::RunSession(VcpuHandle& handle, Doorbell& doorbell, int kick_signal,
                       sigset_t& guest_mask)
    : doorbell_(doorbell), kick_signal_(kick_signal), kicks_before_(doorbell.kicks()) {
  if (!doorbell_.Claim(gettid())) {
    status_ = absl::FailedPreconditionError(
        fmt::format("vCPU {}: Run called while another thread is inside it", handle.id()));
    return;
  }
  sigset_t kick;
  sigemptyset(&kick);
  sigaddset(&kick, kick_signal_);
  pthread_sigmask(SIG_BLOCK, &kick, &thread_mask_);

  // During KVM_RUN the thread's own mask holds, but for the kick. The ioctl costs as much as an
  // exit on some hosts, so it is made only where that mask has changed since the last Run.
  sigset_t wanted = thread_mask_;
  sigdelset(&wanted, kick_signal_);
  if (memcmp(&wanted, &guest_mask, sizeof(wanted)) != 0) {
    status_ = handle.SetSignalMask(wanted);
    if (status_.ok()) guest_mask = wanted;
  }
}

RunSession::~RunSession() {
  if (absl::IsFailedPrecondition(status_)) return;  // the run lock is another's
  doorbell_.Release();
  // Every kick since this began has been sent: one may be left in the queue.
  if (doorbell_.kicks() != kicks_before_) SwallowKick(kick_signal_);
  pthread_sigmask(SIG_SETMASK, &thread_mask_, nullptr);
}

}  // namespace muster::vcpu
