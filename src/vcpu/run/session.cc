#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <muster/vcpu/run/session.h>

namespace muster::vcpu {
namespace {

constexpr SignalSet SetOf(int signal) { return SignalSet{1} << (signal - 1); }

// Returns the mask from before.
SignalSet ChangeThreadMask(int how, SignalSet set) {
  SignalSet before = 0;
  syscall(SYS_rt_sigprocmask, how, &set, &before, sizeof(set));
  return before;
}

}  // namespace

void SwallowKick(int kick_signal) {
  const SignalSet kick = SetOf(kick_signal);
  sync::Step step;
  const timespec now{};
  // A signal that is no real-time one is queued once at most. Not sigtimedwait(), at which a thread
  // is cancelled: see not_cancelled.h.
  while (syscall(SYS_rt_sigtimedwait, &kick, nullptr, &now, sizeof(kick)) < 0 && errno == EINTR) {
  }
  sync::Mark("SwallowKick");
}

absl::Status RunSession::Busy(const VcpuHandle& handle) {
  return absl::FailedPreconditionError(fmt::format(
      "vCPU {} is in use: a thread is inside its Run, this one in a callback or another",
      handle.id()));
}

absl::Status RunSession::AdoptMask(VcpuHandle& handle, KickMask& mask) {
  const SignalSet kick = SetOf(kick_signal_);
  thread_mask_ = ChangeThreadMask(SIG_BLOCK, kick);
  unblock_ = (thread_mask_ & kick) == 0;
  if (unblock_ && mask.stays_blocked) {
    return absl::FailedPreconditionError(
        fmt::format("vCPU {}: Run called with signal {} unblocked, where VmConfig says that it "
                    "stays blocked: block it in each thread that calls Run",
                    handle.id(), kick_signal_));
  }
  // During KVM_RUN the thread's own mask holds, but for the kick. The ioctl costs as much as an
  // exit on some hosts, so it is made only where that mask has changed since the last Run.
  const SignalSet wanted = thread_mask_ & ~kick;
  if (wanted != mask.in_guest) {
    sigset_t blocked;
    sigemptyset(&blocked);
    std::memcpy(&blocked, &wanted, sizeof(wanted));
    const absl::Status status = handle.SetSignalMask(blocked);
    if (!status.ok()) return status;
    mask.in_guest = wanted;
  }
  if (mask.stays_blocked) mask.seen = ThisThread(doorbell_.process());
  return absl::OkStatus();
}

void RunSession::PutMaskBack() const { ChangeThreadMask(SIG_SETMASK, thread_mask_); }

}  // namespace muster::vcpu
