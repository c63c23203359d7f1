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

Signals::Signals() {
  const sigset_t blocked = SetOf({SIGINT, SIGTERM, SIGQUIT, SIGTSTP, SIGUSR1});
  pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  const sigset_t taken = SetOf({SIGINT, SIGTERM, SIGQUIT, SIGTSTP});
  fd_ = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
  // A reader of the guest's output that goes away is an error of write(), not a death.
  std::signal(SIGPIPE, SIG_IGN);
}

Signals::~Signals() {
  close(fd_);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

std::optional<int> Signals::Take() {
  signalfd_siginfo info;
  if (read(fd_, &info, sizeof(info)) != sizeof(info)) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

void Signals::LetKill() {
  const sigset_t deadly = SetOf({SIGINT, SIGTERM});
  pthread_sigmask(SIG_UNBLOCK, &deadly, nullptr);
}

}  // namespace muster::vmm
