#pragma once

#include <cstdint>

namespace muster::vcpu {

// Where a vCPU is in its life, as its guest sees it. SDM "MP Initialization Protocol Algorithm",
// "HLT-Halt". A pause lies over these and is not one of them.
enum class RunState : uint8_t {
  kWaitForSipi,
  kRunning,
  kHalted,
  kOffline,
};

// What moves a vCPU from one state to another.
enum class RunEvent : uint8_t {
  kInitAp,   // INIT: to wait-for-SIPI
  kInitBsp,  // INIT of the bootstrap processor: to the reset vector
  kStartup,  // SIPI
  kHlt,      // HLT executed
  kWake,     // an interrupt that the guest can take, or NMI
  kOffline,  // failed, or taken away
  kAdded,    // comes back
};

// In a word or two, for a person.
const char* ToString(RunState state);
// In a word or two, for a person.
const char* ToString(RunEvent event);

// The one table of legal transitions. Returns false and leaves `state` alone where `event` has no
// effect in it (a SIPI outside wait-for-SIPI is dropped).
bool Transition(RunState& state, RunEvent event);

}  // namespace muster::vcpu
