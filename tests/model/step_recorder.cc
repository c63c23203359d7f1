#include "step_recorder.h"

#include <cstdlib>
#include <sched.h>

namespace muster::model {
namespace {

constexpr int kPatience = 20;  // yields to others who take no step

thread_local int holds = 0;

unsigned Random() {
  static thread_local unsigned random = 1;
  random = random * 1103515245 + 12345;
  return random >> 16;
}

}  // namespace

StepRecorder& StepRecorder::Only() {
  static StepRecorder recorder;
  return recorder;
}

int& StepRecorder::Self() {
  static thread_local int thread = -1;
  return thread;
}

unsigned& StepRecorder::Lag() {
  static thread_local unsigned steps = 0;
  return steps;
}

void StepRecorder::Lock() {
  mutex_.lock();
  if (++holds != 1) std::abort();
}

void StepRecorder::Unlock() {
  --holds;
  const unsigned taken = ++steps_;
  mutex_.unlock();
  // A lock that is given up and taken again at once would keep the other threads out.
  if (Random() % 2 == 0) sched_yield();
  if (Lag() == 0 || Random() % 4 != 0) return;
  const unsigned lag = Random() % Lag();
  for (int yields = 0; yields != kPatience && steps_ - taken < lag; ++yields) sched_yield();
}

void StepRecorder::Put(const char* name, uint64_t value) {
  if (holds != 1) std::abort();  // what was done and what is recorded would not be one step
  if (Self() >= 0 && events_.size() < kMarks) events_.push_back({Self(), name, value});
}

bool StepRecorder::full() {
  const std::lock_guard lock(mutex_);
  return events_.size() >= kMarks;
}

void StepRecorder::Write(std::FILE* file) {
  const std::lock_guard lock(mutex_);
  for (const Event& event : events_) {
    std::fprintf(file, "%d %s %d\n", event.thread, event.name, static_cast<int>(event.value));
  }
}

}  // namespace muster::model
