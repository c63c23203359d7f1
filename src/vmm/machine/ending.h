#pragma once

#include <cstdint>
#include <string>

namespace muster::vmm {

// How a run ended.
struct Ending {
  enum class Kind {
    kPowerOff,
    kReset,
    kGuestExit,   // through the debug-exit port
    kGuestCrash,  // something that no CPU, or not this KVM, can carry on from
    kNoProgress,  // no CPU can ever run again
    kTimeout,
    kInterrupted,  // SIGINT or SIGTERM
    kHostFailure,
  };

  Kind kind = Kind::kPowerOff;
  std::string detail;        // what exactly, in words
  uint32_t guest_value = 0;  // kGuestExit: what was written
};

// The word that JSON has: "power-off", "guest-crash" ...
const char* ToString(Ending::Kind kind);

// Exit statuses that this program gives of itself; a guest's own are odd.
enum ExitStatus {
  kExitClean = 0,
  kExitUsage = 2,
  kExitImage = 4,
  kExitNoKvm = 6,
  kExitGuestCrash = 8,
  kExitNoProgress = 10,
  kExitTimeout = 12,
  kExitHostFailure = 14,
  kExitInterrupted = 130,
};

// A guest that writes v to the debug-exit port ends with (v << 1) | 1, cut down to the 8 bits that
// an exit status has.
int ExitStatusOf(const Ending& ending);

// Whether cutting it down lost something.
bool IsTruncated(const Ending& ending);

}  // namespace muster::vmm
