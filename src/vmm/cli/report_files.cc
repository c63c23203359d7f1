#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <muster/vmm/cli/put_out.h>
#include <muster/vmm/cli/report_files.h>
#include <muster/vmm/report/os_error.h>

namespace muster::vmm {
namespace {

constexpr const char* kStdout = "-";

// One file or pipe under two names or one, in which neither would be found again.
bool AreOne(int one, int other) {
  struct stat first, second;
  return one >= 0 && other >= 0 && fstat(one, &first) == 0 && fstat(other, &second) == 0 &&
         !S_ISCHR(first.st_mode) && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// Has a regular file be empty.
bool Empty(std::FILE* file) {
  struct stat status;
  if (fstat(fileno(file), &status) != 0) return false;
  if (!S_ISREG(status.st_mode)) return true;
  std::rewind(file);
  return ftruncate(fileno(file), 0) == 0;
}

}  // namespace

absl::Status ReportFiles::Target::Error() const {
  return absl::UnavailableError(fmt::format("{} {}: {}", option, name, OsError()));
}

absl::Status ReportFiles::Target::Open(const std::string& named) {
  name = named;
  if (name.empty()) return absl::OkStatus();
  if (name == kStdout) {
    file.reset(fdopen(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0), "w"));
  } else {
    file.reset(std::fopen(name.c_str(), "we"));
  }
  return file ? absl::OkStatus() : Error();
}

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

absl::Status ReportFiles::PutJson(const std::string& text) {
  std::FILE* const file = json_.file.get();
  const bool put = (json_.name == kStdout || Empty(file)) && Write(file, text);
  return put ? absl::OkStatus() : json_.Error();
}

absl::Status ReportFiles::PutTrace(const std::string& text) {
  return Write(trace_.file.get(), text) ? absl::OkStatus() : trace_.Error();
}

}  // namespace muster::vmm
