#pragma once

// Records what src/rendezvous marks (sync_marks.h), in the order in which it was done: all that is
// marked is done under the mutex of the one rendezvous that there is, also what needs none. What a
// doorbell marks comes in the same order, as Bell and the mark's name; it does not say whose it is.

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <type_traits>
#include <vector>

#include <muster/rendezvous/sync_native.h>

namespace muster::model {

class Recorder {
 public:
  static constexpr int kVcpus = 4;  // of the model, at most
  static constexpr int kThreads = 8;
  static constexpr size_t kMarks = 50'000;  // what comes after them is not recorded
  static constexpr int kValues = 5;

  static Recorder& Only();

  // The calling thread's number in the model: that of its vCPU, or one past them.
  static int& Self();
  static constexpr int kUnrecorded = -2;  // prepares the run: what it does is not recorded

  // Looks at the clock after each mark: what a deadline forbids was forbidden from there on. What
  // the code looks at itself comes before the mark of what it did because of it.
  template <typename... Values>
  void Put(const char* name, const Values&... values) {
    Put(name, {ValueOf(values)...});
  }
  // What the calling thread marks is a doorbell's.
  static bool& InDoorbell();
  // The rendezvous', once it has been seen.
  std::atomic<sync::Mutex*>& mutex() { return mutex_; }

  bool full() const { return full_; }

  // When no thread marks any more, or it is full. One line for each mark: thread, name, values.
  void Write(std::FILE* file);

 private:
  struct Event {
    int thread;
    bool of_doorbell;
    const char* name;
    std::array<uint64_t, kValues> values;
  };
  struct Deadline {
    uint64_t at = sync::kNever;
    bool passed = false;
  };

  static constexpr uint64_t ValueOf(uint64_t value) { return value; }
  template <typename Enum>
    requires std::is_enum_v<Enum>
  static constexpr uint64_t ValueOf(Enum value) {
    return static_cast<uint64_t>(value);
  }
  // A CpuSet: of its members those that the models know.
  template <typename Set>
    requires requires(const Set& set) { set.Contains(0); }
  static uint64_t ValueOf(const Set& set) {
    uint64_t mask = 0;
    for (int cpu = 0; cpu < 8; ++cpu) mask |= uint64_t{set.Contains(cpu)} << cpu;
    return mask;
  }

  void Put(const char* name, std::array<uint64_t, kValues> values);

  std::atomic<bool> full_{false};
  std::atomic<sync::Mutex*> mutex_{nullptr};
  std::vector<Event> events_;  // guarded by the mutex of what is recorded
  std::array<Deadline, kThreads> deadlines_;
};

}  // namespace muster::model

namespace muster::sync {

template <typename... Values>
void Mark(const char* name, const Values&... values) {
  model::Recorder::Only().Put(name, values...);
}

class Step {
 public:
  explicit Step(Mutex& mutex) : Step(&mutex, /*of_doorbell=*/false) {
    model::Recorder::Only().mutex() = &mutex;
  }
  Step() : Step(model::Recorder::Only().mutex(), /*of_doorbell=*/true) {}
  ~Step() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    model::Recorder::InDoorbell() = false;
    if (mutex_ != nullptr) mutex_->Unlock();
  }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

 private:
  Step(Mutex* mutex, bool of_doorbell) ABSL_NO_THREAD_SAFETY_ANALYSIS
      : mutex_(ThisThread().locks_held == 0 ? mutex : nullptr) {
    if (mutex_ != nullptr) mutex_->Lock();
    model::Recorder::InDoorbell() = of_doorbell;
  }

  Mutex* const mutex_;
};

}  // namespace muster::sync
