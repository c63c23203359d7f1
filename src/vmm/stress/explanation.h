#pragma once

#include <string>

#include <muster/vmm/report/style.h>
#include <muster/vmm/stress/judgement.h>

namespace muster::vmm {

// A forced run for a kernel developer: what happened, in order, a column for each CPU; then who
// waits for what, where the run did not end well.
std::string Explain(const Scenario& scenario, const Variant& variant, const RunRecord& record,
                    const Judgement& judgement, const Style& style);

}  // namespace muster::vmm
