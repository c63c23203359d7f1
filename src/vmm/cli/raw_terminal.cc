#include <array>
#include <atomic>
#include <csignal>
#include <pthread.h>
#include <unistd.h>

#include <muster/vmm/cli/raw_terminal.h>

namespace muster::vmm {
namespace {

constexpr std::array<int, 6> kFailures = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS};

// What a signal handler needs, and so not part of the object.
struct Saved {
  std::atomic<int> fd{-1};  // -1: there is nothing to put back
  termios settings{};
  std::array<struct sigaction, kFailures.size()> actions{};  // before ours
};
Saved saved;  // NOLINT(readability-identifier-naming): no constant
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

void OnFailure(int number) {
  PutBack();
  for (size_t i = 0; i < kFailures.size(); ++i) {
    if (kFailures[i] == number) sigaction(number, &saved.actions[i], nullptr);
  }
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
  action.sa_handler = OnFailure;
  for (size_t i = 0; i < kFailures.size(); ++i) {
    sigaction(kFailures[i], &action, &saved.actions[i]);
  }
}

RawTerminal::~RawTerminal() {
  if (fd_ < 0) return;
  Leave();
  for (size_t i = 0; i < kFailures.size(); ++i) {
    sigaction(kFailures[i], &saved.actions[i], nullptr);
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
