#pragma once

#include <muster/rendezvous/sync_native.h>

// Marks: the steps of a protocol, by the names that its model in tests/model gives them. Nothing
// here. A build that defines MUSTER_SYNC_MARKS as the name of another header, which declares the
// same names, records what was done in which order.
namespace muster::sync {

// A step is being taken, with what it saw or made; by the holder of the mutex that makes it one, or
// in the scope of a Step.
template <typename... Values>
void Mark(const char* /*name*/, const Values&... /*values*/) {}

// In its scope the caller takes a step of its own, whether it holds `mutex` or not: what it marks
// is in order with what is marked under the mutex.
class Step {
 public:
  // Of the protocol that this mutex guards.
  explicit Step(Mutex& /*mutex*/) {}
  // Of a protocol that has no mutex: one access, and its mark.
  // Not defaulted: compilers call a variable unused whose constructor is nobody's code.
  Step() {}  // NOLINT(modernize-use-equals-default)
};

}  // namespace muster::sync
