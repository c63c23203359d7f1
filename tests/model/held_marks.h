#pragma once

// Holds a thread at a mark (sync_marks.h): a test that includes this has it stay there while others
// go on.

#include <muster/rendezvous/sync_native.h>

namespace muster::model {

// Called at each mark, on the thread that makes it; the test's.
void AtMark(const char* name);

}  // namespace muster::model

namespace muster::sync {

template <typename... Values>
void Mark(const char* name, const Values&... /*values*/) {
  model::AtMark(name);
}

class Step {
 public:
  explicit Step(Mutex& /*mutex*/) {}
  Step() {}  // NOLINT(modernize-use-equals-default): see sync_marks.h
};

}  // namespace muster::sync
