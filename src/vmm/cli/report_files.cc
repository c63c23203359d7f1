#include <muster/vmm/cli/report_files.h>

namespace muster::vmm {

absl::Status ReportFiles::Open(const RunOptions& options, DistinctFiles& distinct) {
  if (absl::Status status = json_.Open(options.json); !status.ok()) return status;
  if (absl::Status status = trace_.Open(options.trace); !status.ok()) return status;
  if (absl::Status status = distinct.Writes("--trace", trace_.fd()); !status.ok()) return status;
  return distinct.Writes("--json", json_.fd());
}

absl::Status ReportFiles::Begin() {
  if (absl::Status status = json_.Begin(); !status.ok()) return status;
  return trace_.Begin();
}

}  // namespace muster::vmm
