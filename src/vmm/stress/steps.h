#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <muster/vmm/stress/forced_run.h>
#include <muster/vmm/stress/script.h>

namespace muster::vmm {

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
