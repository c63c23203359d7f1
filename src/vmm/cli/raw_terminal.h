#pragma once

#include <absl/base/thread_annotations.h>
#include <termios.h>

#include <muster/rendezvous/sync.h>

namespace muster::vmm {

// A terminal whose keys come one by one, and none of them as a signal, from Enter to Leave. What is
// put out to it is treated as before. It is left as it was found on every way out of the process
// that can be caught: by the destructor, and by a handler of every signal that would end the
// process and is not ignored, abort()'s among them; not where its thread's stack has overflowed.
// Only where this process is in the terminal's foreground: otherwise the settings are another's.
// Any thread; one object at a time.
class RawTerminal {
 public:
  // `fd` -1, or no terminal: nothing happens at all.
  explicit RawTerminal(int fd);
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

  bool exists() const { return fd_ >= 0; }

  void Enter() ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave() ABSL_LOCKS_EXCLUDED(mutex_);
  // Between Enter and Leave: again, in case that somebody has changed it while this process was
  // stopped or in the background.
  void Renew() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Apply() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int fd_;
  sync::Mutex mutex_;
  bool wanted_ ABSL_GUARDED_BY(mutex_) = false;  // between Enter and Leave
  bool raw_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace muster::vmm
