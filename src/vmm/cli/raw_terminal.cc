#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <pthread.h>
#include <unistd.h>

#include <muster/vmm/cli/raw_terminal.h>

namespace muster::vmm {
namespace {

// signal(7): what ends no process by default, or cannot be caught.
constexpr std::array<int, 9> kEndNothing = {SIGKILL, SIGSTOP, SIGCONT, SIGTSTP, SIGTTIN,
                                            SIGTTOU, SIGCHLD, SIGURG,  SIGWINCH};
constexpr int kSignals = 65;  // numbers from 1

bool CanEndUs(int number) {
  return std::find(kEndNothing.begin(), kEndNothing.end(), number) == kEndNothing.end();
}

// What a signal handler needs, and so not part of the object.
struct Saved {
  std::atomic<int> fd{-1};  // -1: there is nothing to put back
  termios settings{};
  std::array<struct sigaction, kSignals> actions{};  // before ours
  std::array<bool, kSignals> taken{};
};
// Changes, and so is not named like the constants that others of its scope are.
Saved saved;  // NOLINT(readability-identifier-naming)
static_assert(std::atomic<int>::is_always_lock_free);

bool InForeground(int fd) {
  const pid_t group = tcgetpgrp(fd);
  return group < 0 || group == getpgrp();  // below 0: not the terminal that controls this process
}

// Only what is safe in a signal handler (signal-safety(7)).
void PutBack() {
  // Acquire: the settings are those from before the store.
  const int fd = saved.fd.exchange(-1, std::memory_order_acq_rel);
  if (fd >= 0 && InForeground(fd)) tcsetattr(fd, TCSANOW, &saved.settings);
}

void OnEnd(int number) {
  PutBack();
  sigaction(number, &saved.actions[static_cast<size_t>(number)], nullptr);
  raise(number);  // when this returns
}

// Held back while settings are changed, which from the background would stop the process.
class BlockTtou {
 public:
  BlockTtou() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~BlockTtou() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockTtou(const BlockTtou&) = delete;
  BlockTtou& operator=(const BlockTtou&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

RawTerminal::RawTerminal(int fd) : fd_(fd >= 0 && isatty(fd) ? fd : -1) {
  if (fd_ < 0) return;
  struct sigaction action {};
  action.sa_handler = OnEnd;
  for (int number = 1; number < kSignals; ++number) {
    struct sigaction& before = saved.actions[static_cast<size_t>(number)];
    // Fails for those that the C library keeps for itself.
    saved.taken[static_cast<size_t>(number)] =
        CanEndUs(number) && sigaction(number, nullptr, &before) == 0 &&
        before.sa_handler != SIG_IGN && sigaction(number, &action, nullptr) == 0;
  }
}

RawTerminal::~RawTerminal() {
  if (fd_ < 0) return;
  Leave();
  for (int number = 1; number < kSignals; ++number) {
    const auto i = static_cast<size_t>(number);
    if (saved.taken[i]) sigaction(number, &saved.actions[i], nullptr);
  }
}

void RawTerminal::Enter() {
  sync::MutexLock lock(mutex_);
  wanted_ = true;
  Apply();
}

void RawTerminal::Renew() {
  sync::MutexLock lock(mutex_);
  if (wanted_) Apply();
}

void RawTerminal::Leave() {
  sync::MutexLock lock(mutex_);
  wanted_ = false;
  if (!raw_) return;
  raw_ = false;
  const BlockTtou block;
  PutBack();
}

void RawTerminal::Apply() {
  termios now{};
  if (fd_ < 0 || !InForeground(fd_) || tcgetattr(fd_, &now) != 0) return;
  if (raw_ && !(now.c_lflag & (ICANON | ISIG | ECHO))) return;
  saved.fd.store(-1, std::memory_order_relaxed);  // not while the settings change
  saved.settings = now;
  saved.fd.store(fd_, std::memory_order_release);
  termios raw = now;
  cfmakeraw(&raw);
  raw.c_oflag = now.c_oflag;
  const BlockTtou block;
  raw_ = tcsetattr(fd_, TCSANOW, &raw) == 0;
}

}  // namespace muster::vmm
