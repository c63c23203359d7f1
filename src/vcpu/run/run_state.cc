#include <array>
#include <optional>

#include <muster/vcpu/run/run_state.h>

namespace muster::vcpu {
namespace {

constexpr auto kW = RunState::kWaitForSipi;
constexpr auto kR = RunState::kRunning;
constexpr auto kH = RunState::kHalted;
constexpr auto kO = RunState::kOffline;
constexpr std::optional<RunState> kNone;

using Row = std::array<std::optional<RunState>, 4>;

// [event][state]: the next state, or none where the event has no effect.
constexpr std::array<Row, 7> kTable = {
    //   from:    W      R      H      O
    /* InitAp  */ Row{kW, kW, kW, kNone},
    /* InitBsp */ Row{kR, kR, kR, kNone},
    /* Startup */ Row{kR, kNone, kNone, kNone},
    /* Hlt     */ Row{kNone, kH, kNone, kNone},
    /* Wake    */ Row{kNone, kNone, kR, kNone},
    /* Offline */ Row{kO, kO, kO, kO},
    /* Added   */ Row{kNone, kNone, kNone, kW},
};

}  // namespace

const char* ToString(RunState state) {
  switch (state) {
    case RunState::kWaitForSipi:
      return "wait-for-SIPI";
    case RunState::kRunning:
      return "running";
    case RunState::kHalted:
      return "halted";
    case RunState::kOffline:
      return "offline";
  }
  return "?";
}

const char* ToString(RunEvent event) {
  switch (event) {
    case RunEvent::kInitAp:
    case RunEvent::kInitBsp:
      return "INIT";
    case RunEvent::kStartup:
      return "SIPI";
    case RunEvent::kHlt:
      return "HLT";
    case RunEvent::kWake:
      return "wake";
    case RunEvent::kOffline:
      return "offline";
    case RunEvent::kAdded:
      return "added";
  }
  return "?";
}

bool Transition(RunState& state, RunEvent event) {
  const auto next = kTable[static_cast<size_t>(event)][static_cast<size_t>(state)];
  if (!next) return false;
  state = *next;
  return true;
}

}  // namespace muster::vcpu
