#pragma once

// Records what a protocol without a mutex marks (sync_marks.h): each access to what its threads
// share, in order, for a Step holds the recorder's own lock over the access and its mark.

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <vector>

#include <muster/rendezvous/sync_native.h>

namespace muster::model {

class StepRecorder {
 public:
  static constexpr size_t kMarks = 20'000;  // what comes after them is not recorded

  static StepRecorder& Only();

  // The calling thread's number in the model; below 0, nothing that it does is recorded.
  static int& Self();
  // How many steps of others the calling thread lets pass at most, now and then, after one of its
  // own; 0 at first. So they get far while it is in the midst of something.
  static unsigned& Lag();

  void Lock();
  void Unlock();
  // Within a Step.
  void Put(const char* name, uint64_t value);

  bool full();
  // When no thread marks any more, or it is full. One line for each mark: thread, name, value.
  void Write(std::FILE* file);

 private:
  struct Event {
    int thread;
    const char* name;
    uint64_t value;
  };
  std::mutex mutex_;
  std::atomic<unsigned> steps_{0};
  std::vector<Event> events_;
};

}  // namespace muster::model

namespace muster::sync {

inline void Mark(const char* name) { model::StepRecorder::Only().Put(name, 0); }
template <typename Value>
void Mark(const char* name, Value value) {
  model::StepRecorder::Only().Put(name, static_cast<uint64_t>(value));
}

class Step {
 public:
  Step() { model::StepRecorder::Only().Lock(); }
  ~Step() { model::StepRecorder::Only().Unlock(); }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
};

}  // namespace muster::sync
