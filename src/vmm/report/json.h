#pragma once

#include <string>
#include <vector>

#include <muster/vmm/report/doctor.h>
#include <muster/vmm/report/run_report.h>
#include <muster/vmm/stress/suite.h>

namespace muster::vmm {

// The report as JSON, one object that ends with a newline: "schema" 1. Fields are added in later
// versions, and what is here keeps its meaning. Times are nanoseconds; addresses and registers are
// strings like "0x1c", for they don't fit a double.
std::string ToJson(const RunReport& report);

// {"schema": 1, "can_run": bool, "findings": [{"id", "verdict", "what", "value", "mend"}]}
std::string ToJson(const Diagnosis& diagnosis);

// {"schema": 1, "as_due": bool, "interrupted": bool, "variants_wanted", "scenarios": [{"id",
// "variant", "due", "seen", "as_due", "runs", "runs_wanted", "outcomes": {"failed": 10 ...},
// "wall_ns", "why", "gates": [[...] by CPU]}]}; "due" is null where nothing is. What did not run as
// often as wanted is not as due.
std::string ToJson(const SuiteResult& suite);

}  // namespace muster::vmm
