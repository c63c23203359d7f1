#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <muster/vcpu/run/exit.h>

namespace muster::vmm {

// What a vCPU could not carry on from: vcpu::GuestFaultExit, kept.
struct GuestFault {
  int cpu = -1;
  vcpu::GuestFaultExit::Kind kind = vcpu::GuestFaultExit::Kind::kTripleFault;
  uint64_t detail = 0;
  uint64_t rip = 0;
  std::vector<uint8_t> bytes;  // of the instruction, where KVM gave them
  bool no_code = false;        // at RIP there is no RAM, or no page that is mapped
};

// In words: "triple fault (KVM_EXIT_SHUTDOWN)".
std::string Describe(const GuestFault& fault);
// The word that JSON has: "triple-fault" ...
const char* ToString(vcpu::GuestFaultExit::Kind kind);

// How a run ended.
struct Ending {
  enum class Kind {
    kPowerOff,
    kReset,
    kGuestExit,   // through the debug-exit port
    kGuestCrash,  // see `fault`
    kNoProgress,  // no CPU can ever run again
    kTimeout,
    kInterrupted,  // SIGINT, SIGTERM or SIGHUP
    kOutputLost,   // what the guest says can't be written any more, as when its reader has gone
    kHostFailure,
    kDefect,  // of this program, as its meetings have seen: however the guest has ended
  };

  Kind kind = Kind::kPowerOff;
  std::string detail = {};   // what exactly, in words
  uint32_t guest_value = 0;  // kGuestExit: what was written
  std::optional<GuestFault> fault = std::nullopt;
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
  kExitNotAsDue = 16,  // muster stress: a run did not end as it was due to
  kExitInterrupted = 130,
};

// A guest that writes v to the debug-exit port ends with (v << 1) | 1, cut down to the 8 bits that
// an exit status has.
int ExitStatusOf(const Ending& ending);

// Whether a guest that has passed ends so.
bool IsPass(const Ending& ending);

// Whether cutting it down lost something.
bool IsTruncated(const Ending& ending);

}  // namespace muster::vmm
