#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "absl/base/thread_annotations.h"

// The sync seam on real threads: see sync.h, through which it is included.
namespace muster::sync {

// What the library knows of the calling thread.
struct ThreadState {
  int locks_held = 0;            // Mutexes of this library
  int functions_running = 0;     // functions of a rendezvous, whichever
  int acting_for = 0;            // vCPUs whose run locks it has borrowed
  const char* barred = nullptr;  // for another reason: see RefusedBecause

  // Why it may not call a rendezvous, to go after "called"; null: it may.
  const char* RefusedBecause() const {
    return functions_running > 0 ? "inside a function of a rendezvous"
           : acting_for > 0      ? "by one who acts for a vCPU"
           : locks_held > 0      ? "holding a lock of this library"
                                 : barred;
  }
};
// That of the calling thread.
ThreadState& ThisThread();

// Bars the calling thread from rendezvous while this lives: it is in a callback for which others
// wait.
class Barred {
 public:
  // `why` outlives this.
  explicit Barred(const char* why) : before_(ThisThread().barred) { ThisThread().barred = why; }
  ~Barred() { ThisThread().barred = before_; }
  Barred(const Barred&) = delete;
  Barred& operator=(const Barred&) = delete;

 private:
  const char* const before_;
};

// Monotonic time in nanoseconds (CLOCK_MONOTONIC). Deadlines are points on this clock.
uint64_t Now();
// The deadline that does not come.
inline constexpr uint64_t kNever = UINT64_MAX;
// The point `ns` after `from`; kNever where there is none.
inline uint64_t After(uint64_t ns, uint64_t from = Now()) {
  return ns < kNever - from ? from + ns : kNever;
}

// Cores on which this process may run, at least 1.
int AvailableCores();

// Lets another thread run.
void Yield();

// Not recursive. Counts in ThisThread() what the thread holds.
class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  // Waits until no other thread holds it.
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    mutex_.lock();
    ++ThisThread().locks_held;
  }
  // By the thread that holds it.
  void Unlock() ABSL_UNLOCK_FUNCTION() {
    --ThisThread().locks_held;
    mutex_.unlock();
  }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Holds a Mutex for as long as it lives.
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  // Waits until no other thread holds it.
  explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// A wait may end for no reason: the caller tests its condition in a loop.
class CondVar {
 public:
  // Gives `mutex` back while it waits, and returns holding it.
  void Wait(Mutex& mutex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // False once `deadline` has passed.
  bool WaitUntil(Mutex& mutex, uint64_t deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Wakes one that waits, if there is one.
  void Signal() { condition_.notify_one(); }

 private:
  std::condition_variable condition_;
};

// std::atomic whose every access names its order.
template <typename T>
class Atomic {
 public:
  // Not atomic itself.
  constexpr explicit Atomic(T value = T()) : value_(value) {}

  // What is there.
  T Load(std::memory_order order) const { return value_.load(order); }
  // Puts `value` there.
  void Store(T value, std::memory_order order) { value_.store(value, order); }
  // Puts `value` there and gives what was.
  T Exchange(T value, std::memory_order order) { return value_.exchange(value, order); }
  // On failure, loads what was there into `expected`.
  bool CompareExchange(T& expected, T desired, std::memory_order success,
                       std::memory_order failure) {
    return value_.compare_exchange_strong(expected, desired, success, failure);
  }
  // Adds, and gives what was there.
  T FetchAdd(T operand, std::memory_order order) { return value_.fetch_add(operand, order); }
  // Subtracts, and gives what was there.
  T FetchSub(T operand, std::memory_order order) { return value_.fetch_sub(operand, order); }
  // Sets the bits of `operand`, and gives what was there.
  T FetchOr(T operand, std::memory_order order) { return value_.fetch_or(operand, order); }
  // Clears those that `operand` has not, and gives what was there.
  T FetchAnd(T operand, std::memory_order order) { return value_.fetch_and(operand, order); }

 private:
  std::atomic<T> value_;
};

// The same for memory whose layout is another's, like kvm_run.immediate_exit.
template <typename T>
class AtomicRef {
 public:
  // `object` outlives this; meanwhile all accesses to it are such.
  explicit AtomicRef(T& object) : object_(object) {}

  // What is there.
  T Load(std::memory_order order) const { return object_.load(order); }
  // Puts `value` there.
  void Store(T value, std::memory_order order) const { object_.store(value, order); }
  // Puts `value` there and gives what was.
  T Exchange(T value, std::memory_order order) const { return object_.exchange(value, order); }

 private:
  std::atomic_ref<T> object_;
};

// Where threads sleep until they are woken: a futex with a wake word.
//
//   sleeper: seen = Prepare(); test every reason to stay awake; Park(seen)
//   waker:   make a reason; Wake()
//
// A reason that the test misses is made after Prepare read the word, so the Wake that follows it
// changes the word, and Park returns.
class ParkingSpot {
 public:
  // The wake word, for Park.
  uint32_t Prepare() const { return word_.Load(std::memory_order_seq_cst); }
  // Sleeps while the word is `seen`, at most until `deadline`. May return early for no reason.
  void Park(uint32_t seen, uint64_t deadline = kNever);
  // Wakes all who sleep here; a system call only if somebody may.
  void Wake();

 private:
  Atomic<uint32_t> word_{0};
  Atomic<uint32_t> sleepers_{0};
};

}  // namespace muster::sync
