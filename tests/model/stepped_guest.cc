#include "stepped_guest.h"

#include <csignal>

#include <muster/rendezvous/sync.h>

namespace muster::model {

bool RunGuest(uint8_t& immediate_exit, int kick_signal, bool exits, unsigned looks) {
  {
    sync::Step step;
    const bool forced = sync::AtomicRef<uint8_t>(immediate_exit).Load(std::memory_order_relaxed);
    sync::Mark("Enter", forced);
    if (forced) return true;
  }
  for (;; looks -= looks > 0 ? 1 : 0) {
    sync::Step step;
    sigset_t pending;
    sigpending(&pending);
    const bool interrupted = sigismember(&pending, kick_signal) != 0;
    if (interrupted || (looks == 0 && exits)) {
      sync::Mark("Exit", interrupted);
      return interrupted;
    }
  }
}

}  // namespace muster::model
