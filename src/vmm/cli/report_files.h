#pragma once

#include <absl/status/status.h>
#include <string>

#include <muster/vmm/cli/distinct_files.h>
#include <muster/vmm/cli/options.h>
#include <muster/vmm/cli/report_file.h>

namespace muster::vmm {

// Where --json and --trace go; for errors see ReportFile.
class ReportFiles {
 public:
  // Before the guest starts, so that a wrong name costs no run.
  absl::Status Open(const RunOptions& options, DistinctFiles& distinct);
  absl::Status Begin();

  bool wants_json() const { return json_.wanted(); }
  bool wants_trace() const { return trace_.wanted(); }
  absl::Status PutJson(const std::string& text) { return json_.Put(text); }
  absl::Status PutTrace(const std::string& text) { return trace_.Put(text); }

 private:
  ReportFile json_{"--json"}, trace_{"--trace"};
};

}  // namespace muster::vmm
