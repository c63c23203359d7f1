#include <fmt/format.h>
#include <sys/stat.h>

#include <muster/vmm/cli/report_files.h>

namespace muster::vmm {
namespace {

// One file or pipe under two names or one, in which neither would be found again.
bool AreOne(int one, int other) {
  struct stat first, second;
  return one >= 0 && other >= 0 && fstat(one, &first) == 0 && fstat(other, &second) == 0 &&
         !S_ISCHR(first.st_mode) && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

}  // namespace

absl::Status ReportFiles::Open(const RunOptions& options, int serial) {
  if (absl::Status status = json_.Open(options.json); !status.ok()) return status;
  if (absl::Status status = trace_.Open(options.trace); !status.ok()) return status;
  const char* const same = AreOne(json_.fd(), trace_.fd()) ? "--json and --trace"
                           : AreOne(json_.fd(), serial)    ? "--json and --serial"
                           : AreOne(trace_.fd(), serial)   ? "--trace and --serial"
                                                           : nullptr;
  if (same == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{} name the same file", same));
}

}  // namespace muster::vmm
