#include <vector>

#include <catch2/catch.hpp>

#include <muster/vcpu/run/run_state.h>

namespace muster::vcpu {
namespace {

constexpr RunState kStates[] = {RunState::kWaitForSipi, RunState::kRunning, RunState::kHalted,
                                RunState::kOffline};

// Where `event` leads from each of kStates, "-" where it has no effect.
std::vector<std::string> Column(RunEvent event) {
  std::vector<std::string> column;
  for (RunState state : kStates) {
    const bool moved = Transition(state, event);
    column.push_back(moved ? ToString(state) : "-");
  }
  return column;
}

using Row = std::vector<std::string>;

TEST_CASE("INIT of an AP leads to wait-for-SIPI from every state that is alive") {
  CHECK(Column(RunEvent::kInitAp) == Row{"wait-for-SIPI", "wait-for-SIPI", "wait-for-SIPI", "-"});
}

TEST_CASE("INIT of the bootstrap processor leads to running") {
  CHECK(Column(RunEvent::kInitBsp) == Row{"running", "running", "running", "-"});
}

TEST_CASE("SIPI starts a processor in wait-for-SIPI and is dropped elsewhere") {
  CHECK(Column(RunEvent::kStartup) == Row{"running", "-", "-", "-"});
}

TEST_CASE("only a running processor halts, only a halted one wakes") {
  CHECK(Column(RunEvent::kHlt) == Row{"-", "halted", "-", "-"});
  CHECK(Column(RunEvent::kWake) == Row{"-", "-", "running", "-"});
}

TEST_CASE("offline is for good, but for a vCPU that is added again") {
  CHECK(Column(RunEvent::kOffline) == Row{"offline", "offline", "offline", "offline"});
  CHECK(Column(RunEvent::kAdded) == Row{"-", "-", "-", "wait-for-SIPI"});
}

}  // namespace
}  // namespace muster::vcpu
