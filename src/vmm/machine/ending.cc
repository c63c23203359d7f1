#include <muster/vmm/machine/ending.h>

namespace muster::vmm {

const char* ToString(Ending::Kind kind) {
  switch (kind) {
    case Ending::Kind::kPowerOff:
      return "power-off";
    case Ending::Kind::kReset:
      return "reset";
    case Ending::Kind::kGuestExit:
      return "guest-exit";
    case Ending::Kind::kGuestCrash:
      return "guest-crash";
    case Ending::Kind::kNoProgress:
      return "no-progress";
    case Ending::Kind::kTimeout:
      return "timeout";
    case Ending::Kind::kInterrupted:
      return "interrupted";
    case Ending::Kind::kHostFailure:
      return "host-failure";
  }
  return "?";
}

int ExitStatusOf(const Ending& ending) {
  switch (ending.kind) {
    case Ending::Kind::kPowerOff:
    case Ending::Kind::kReset:
      return kExitClean;
    case Ending::Kind::kGuestExit:
      return static_cast<int>((ending.guest_value << 1 | 1) & 0xff);
    case Ending::Kind::kGuestCrash:
      return kExitGuestCrash;
    case Ending::Kind::kNoProgress:
      return kExitNoProgress;
    case Ending::Kind::kTimeout:
      return kExitTimeout;
    case Ending::Kind::kInterrupted:
      return kExitInterrupted;
    case Ending::Kind::kHostFailure:
      return kExitHostFailure;
  }
  return kExitHostFailure;
}

bool IsTruncated(const Ending& ending) {
  return ending.kind == Ending::Kind::kGuestExit && ending.guest_value > 127;
}

}  // namespace muster::vmm
