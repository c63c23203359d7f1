#include <sys/signalfd.h>
#include <unistd.h>

#include <muster/vmm/cli/signals.h>

namespace muster::vmm {
namespace {

sigset_t SetOf(std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (int number : numbers) sigaddset(&set, number);
  return set;
}

}  // namespace

Signals::Signals() : taken_(SetOf({SIGINT, SIGTERM, SIGQUIT, SIGTSTP, SIGCONT})) {
  struct sigaction hangup {};
  if (sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) {
    sigaddset(&taken_, SIGHUP);
  }
  sigset_t blocked = taken_;
  sigaddset(&blocked, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  fd_ = vcpu::Fd(signalfd(-1, &taken_, SFD_CLOEXEC | SFD_NONBLOCK));
  // A reader of the guest's output that goes away is an error of write(), not a death.
  std::signal(SIGPIPE, SIG_IGN);
}

Signals::~Signals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

std::optional<Signals::Taken> Signals::Take() {
  signalfd_siginfo info;
  if (read(fd(), &info, sizeof(info)) != sizeof(info)) return std::nullopt;
  return Taken{.number = static_cast<int>(info.ssi_signo),
               .is_own = info.ssi_code == SI_USER && static_cast<pid_t>(info.ssi_pid) == getpid()};
}

const char* Signals::NameOf(const Taken& signal) {
  switch (signal.number) {
    case SIGINT:
      return signal.is_own ? "Ctrl-A x" : "Ctrl-C";
    case SIGHUP:
      return "SIGHUP";
    default:
      return "SIGTERM";
  }
}

void Signals::LetKill() {
  const sigset_t deadly = SetOf({SIGINT, SIGTERM, SIGHUP});
  pthread_sigmask(SIG_UNBLOCK, &deadly, nullptr);
}

}  // namespace muster::vmm
