#include <chrono>
#include <climits>
#include <ctime>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <muster/rendezvous/sync.h>

namespace muster::sync {
namespace {

constexpr uint64_t kNsPerSecond = 1'000'000'000;

void FutexWait(const Atomic<uint32_t>& word, uint32_t seen, uint64_t deadline) {
  timespec until{};
  if (deadline != kNever) {
    until.tv_sec = static_cast<time_t>(deadline / kNsPerSecond);
    until.tv_nsec = static_cast<long>(deadline % kNsPerSecond);
  }
  // WAIT_BITSET takes an absolute CLOCK_MONOTONIC time, where WAIT takes a relative one.
  syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, seen, deadline == kNever ? nullptr : &until,
          nullptr, FUTEX_BITSET_MATCH_ANY);
}

}  // namespace

ThreadState& ThisThread() {
  static thread_local ThreadState state;
  return state;
}

uint64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kNsPerSecond + static_cast<uint64_t>(now.tv_nsec);
}

int AvailableCores() {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0) return CPU_COUNT(&cores);
  const long online = sysconf(_SC_NPROCESSORS_ONLN);  // more cores than cpu_set_t has bits
  return online > 0 ? static_cast<int>(online) : 1;
}

// Whoever is waited for is in the middle of a few instructions, or has lost its core there, maybe
// to this very thread: a spin would keep it off, and a sleep be longer than what is left to do. No
// deadline, then: those few instructions wait for nobody.
void Yield() { sched_yield(); }

void CondVar::Wait(Mutex& mutex) {
  std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
  condition_.wait(lock);
  lock.release();
}

bool CondVar::WaitUntil(Mutex& mutex, uint64_t deadline) {
  if (deadline == kNever) {
    Wait(mutex);
    return true;
  }
  // libstdc++'s steady_clock is CLOCK_MONOTONIC.
  static_assert(std::chrono::steady_clock::period::den == kNsPerSecond);
  const std::chrono::steady_clock::time_point until(
      std::chrono::nanoseconds(static_cast<int64_t>(deadline)));
  std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
  const bool in_time = condition_.wait_until(lock, until) == std::cv_status::no_timeout;
  lock.release();
  return in_time;
}

// Park announces itself and then reads the word; Wake changes the word and then reads the
// announcements; all four are seq_cst, so at least one sees the other's write:
//  - Park sees the new word: it does not sleep;
//  - Wake sees the sleeper: it calls the kernel, which wakes it if it sleeps, and if it does not
//    yet, compares the word again under the same lock that the waker took, and finds it changed.
void ParkingSpot::Park(uint32_t seen, uint64_t deadline) {
  sleepers_.FetchAdd(1, std::memory_order_seq_cst);
  if (word_.Load(std::memory_order_seq_cst) == seen) FutexWait(word_, seen, deadline);
  // relaxed: a Wake that still counts this thread makes one system call for nobody.
  sleepers_.FetchSub(1, std::memory_order_relaxed);
}

void ParkingSpot::Wake() {
  word_.FetchAdd(1, std::memory_order_seq_cst);
  if (sleepers_.Load(std::memory_order_seq_cst) == 0) return;
  syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace muster::sync
