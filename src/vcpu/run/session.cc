#include <csignal>
#include <cstring>
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

// Asked for once: a system call for each Run shows. A child of fork() would have its parent's, but
// it cannot run vCPUs either: KVM binds a VM to the address space that made it.
pid_t ThisThread() {
  static thread_local const pid_t id = gettid();
  return id;
}

}  // namespace

void SwallowKick(int kick_signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, kick_signal);
  sync::Step step;
  const timespec now{};
  // A signal that is no real-time one is queued once at most.
  while (sigtimedwait(&set, nullptr, &now) < 0 && errno == EINTR) {
  }
  sync::Mark("SwallowKick");
}

RunSession::RunSession(VcpuHandle& handle, Doorbell& doorbell, KickMask& mask)
    : doorbell_(doorbell),
      kick_signal_(mask.signal),
      kicks_before_(doorbell.kicks()),
      claimed_(doorbell.Claim(ThisThread())) {
  if (!claimed_) {
    status_ = absl::FailedPreconditionError(
        fmt::format("vCPU {}: Run called while another thread is inside it", handle.id()));
    return;
  }
  if (mask.seen != ThisThread()) status_ = AdoptMask(handle, mask);
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
  if (mask.stays_blocked) mask.seen = ThisThread();
  return absl::OkStatus();
}

RunSession::~RunSession() {
  if (!claimed_) return;  // the run lock is another's
  doorbell_.Release();
  // Every kick since this began has been sent: one may be left in the queue.
  if (doorbell_.kicks() != kicks_before_) SwallowKick(kick_signal_);
  if (unblock_) ChangeThreadMask(SIG_SETMASK, thread_mask_);
}

}  // namespace muster::vcpu
