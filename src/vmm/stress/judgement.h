#pragma once

#include <optional>
#include <string>
#include <vector>

#include <muster/vmm/stress/forced_run.h>
#include <muster/vmm/stress/scenario.h>

namespace muster::vmm {

// How a forced run ended; without `outcome` it is none of them, and `why` says what went wrong.
struct Judgement {
  std::optional<Outcome> outcome;
  std::string why;  // of kPrevented: the wait that did it
};

// By the scenario's own signature, and where there is none by the guest: it fails when it dies,
// says so, or locks up for good. A signature of `others` that matches makes it none of the
// outcomes.
Judgement Judge(const RunRecord& record, const Scenario& scenario, const Variant& variant,
                const std::vector<const Scenario*>& others);

}  // namespace muster::vmm
