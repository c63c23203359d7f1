#pragma once

#include <string>
#include <vector>

#include <muster/vmm/report/style.h>
#include <muster/vmm/stress/forced_run.h>

namespace muster::vmm {

// A forced run for a kernel developer: what happened, in order, a column for each CPU; then who
// waits for what, where the run did not end well.
std::string Explain(const Scenario& scenario, const Variant& variant, const RunRecord& record,
                    const Judgement& judgement, const Style& style);

// One thing that a vCPU did or that happened to it.
struct Step {
  uint64_t ns = 0;
  int cpu = 0;
  std::string what;
  uint64_t rip = 0;  // 0: not known
};

// In order of time: gates, holds that ended, IPIs, deliveries, EOIs; from the first gate on, or
// where no CPU came to one, the last.
std::vector<Step> StepsOf(const Variant& variant, const RunRecord& record);

}  // namespace muster::vmm
