#pragma once

#include <absl/status/statusor.h>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <muster/vmm/report/style.h>
#include <muster/vmm/stress/judgement.h>

namespace muster::vmm {

// What the runs of one variant came to.
struct SuiteRow {
  std::string id;
  std::string variant;
  std::optional<Outcome> due;
  std::map<std::string, int> seen = {};  // "failed", ... or "error", and how often
  int runs = 0;
  int wanted = 0;        // runs
  uint64_t wall_ns = 0;  // of all runs
  std::string why = {};  // of the first prevented run, or of the first error
  std::vector<std::vector<std::string>> gates = {};  // by CPU: where it came in the first run

  // All runs that were wanted ended, and each as it is due.
  bool AsDue() const;
};

struct SuiteResult {
  std::vector<SuiteRow> rows;    // of variants that have run, the last maybe not as often as wanted
  size_t wanted = 0;             // variants
  std::string interrupted = {};  // by what, as Outside says it; "": by nothing

  bool AsDue() const;
};

// "failed", or "failed 9, error 1".
std::string DescribeSeen(const SuiteRow& row);

struct SuiteRequest {
  int runs = 1;
  uint64_t timeout_ns = 0;  // of a run
  int fd = -1;              // see Outside
  // See Outside; the row has the runs that have ended.
  std::function<std::string(Machine&, const SuiteRow&)> heed;
  // The first run that was not as due, or where `explain` is set the first that failed.
  bool explain = false;
  std::function<void(const Scenario&, const Variant&, const RunRecord&, const Judgement&)>
      explained;
};

// Runs a variant so often, or until one is interrupted, which does not count; all of `others` are
// tried on each run too. An error is the host's or the image's.
absl::StatusOr<SuiteRow> RunVariant(const vcpu::System& system, const Scenario& scenario,
                                    const Variant& variant,
                                    const std::vector<const Scenario*>& others,
                                    const SuiteRequest& request);

std::string RenderSuite(const std::vector<SuiteRow>& rows, const Style& style);

}  // namespace muster::vmm
