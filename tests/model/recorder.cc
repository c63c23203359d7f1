#include "recorder.h"

#include <cstdlib>
#include <cstring>

namespace muster::model {

Recorder& Recorder::Only() {
  static Recorder recorder;
  return recorder;
}

int& Recorder::Self() {
  static thread_local int thread = -1;
  return thread;
}

bool& Recorder::InDoorbell() {
  static thread_local bool in_doorbell = false;
  return in_doorbell;
}

void Recorder::Put(const char* name, std::array<uint64_t, kValues> values) {
  const int thread = Self();
  if (thread == kUnrecorded) return;
  const auto is = [name](const char* other) { return std::strcmp(name, other) == 0; };
  if (is("Pending")) {
    if (thread < 0) return;  // no thread of the model: a watchdog
    // A loop that waits for it would fill the record.
    if (!events_.empty() && events_.back().thread == thread &&
        std::strcmp(events_.back().name, name) == 0 && events_.back().values == values) {
      return;
    }
  }
  if (thread < 0 || thread >= kThreads || sync::ThisThread().locks_held != 1) std::abort();
  if (events_.size() >= kMarks) full_ = true;
  if (full_) return;
  Deadline& own = deadlines_[static_cast<size_t>(thread)];
  if (is("Queue")) {
    own = {.at = values.back()};
    values.back() = values.back() != sync::kNever;
  }
  if (is("Return")) own = {};
  if (!is("Late")) events_.push_back({thread, InDoorbell(), name, values});
  const uint64_t now = sync::Now();
  for (int i = 0; i < kThreads; ++i) {
    Deadline& deadline = deadlines_[static_cast<size_t>(i)];
    if (deadline.passed || deadline.at > now) continue;
    deadline.passed = true;
    events_.push_back({i, false, "Late", {}});
  }
}

void Recorder::Write(std::FILE* file) {
  for (const Event& event : events_) {
    std::fprintf(file, "%d %s%s", event.thread, event.of_doorbell ? "Bell" : "", event.name);
    for (uint64_t value : event.values) std::fprintf(file, " %d", static_cast<int>(value));
    std::fputc('\n', file);
  }
}

}  // namespace muster::model
