#pragma once

#include <absl/status/statusor.h>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <muster/vcpu/kvm/system.h>
#include <muster/vmm/machine/machine.h>
#include <muster/vmm/stress/director.h>
#include <muster/vmm/stress/final_state.h>
#include <muster/vmm/stress/scenario.h>

namespace muster::vmm {

// All that is known of a forced run after its end.
struct RunRecord {
  Ending ending;
  std::vector<Arrival> arrivals;
  std::vector<HoldEnd> holds;                    // as in the variant
  std::vector<std::vector<vcpu::Event>> events;  // by vCPU
  FinalState state;
  std::string output;  // what the guest printed
  std::string misuse;  // of the gate ports, see Director
  uint64_t wall_ns = 0;
  std::unique_ptr<Machine> machine;  // whose memory `state` shows
};

// What comes from outside while a run goes on.
struct Outside {
  int fd = -1;  // readable when there is something to heed
  // Does what is asked, and says what is to end the run: "Ctrl-C", or "" for nothing. At least once
  // in each run.
  std::function<std::string(Machine&)> heed;
};

// One run of `variant`, of `timeout_ns` at most, in which the machine's clock moves. An error: the
// host's, or the image's.
absl::StatusOr<RunRecord> RunForced(const vcpu::System& system, const Scenario& scenario,
                                    const Variant& variant, uint64_t timeout_ns,
                                    const Outside& outside);

}  // namespace muster::vmm
