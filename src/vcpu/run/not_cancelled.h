#pragma once

#include <pthread.h>

namespace muster::vcpu {

// Keeps the calling thread from being cancelled while this lives: glibc has it unwind as if by an
// exception, which is not one that the library could end, and run locks would be left behind. Run
// comes to no point at which a thread is cancelled, but where it holds that off by this: a run
// through the C interface relies on it.
class NotCancelled {
 public:
  NotCancelled() { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~NotCancelled() { pthread_setcancelstate(before_, nullptr); }
  NotCancelled(const NotCancelled&) = delete;
  NotCancelled& operator=(const NotCancelled&) = delete;

 private:
  int before_;
};

}  // namespace muster::vcpu
