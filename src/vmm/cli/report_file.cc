#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <muster/vmm/cli/empty_file.h>
#include <muster/vmm/cli/put_out.h>
#include <muster/vmm/cli/report_file.h>
#include <muster/vmm/report/os_error.h>

namespace muster::vmm {
namespace {

constexpr const char* kStdout = "-";

}  // namespace

absl::Status ReportFile::Error() const {
  return absl::UnavailableError(fmt::format("{} {}: {}", option_, name_, OsError()));
}

absl::Status ReportFile::Open(const std::string& name) {
  name_ = name;
  if (name_.empty()) return absl::OkStatus();
  if (name_ == kStdout) {
    file_.reset(fdopen(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0), "w"));
  } else {
    const int fd = open(name_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd >= 0) file_.reset(fdopen(fd, "w"));
  }
  return file_ ? absl::OkStatus() : Error();
}

absl::Status ReportFile::Begin() {
  return !wanted() || name_ == kStdout || Empty() ? absl::OkStatus() : Error();
}

bool ReportFile::Empty() {
  if (!EmptyFile(fd())) return false;
  std::rewind(file_.get());  // what has no beginning stays as it is
  return true;
}

absl::Status ReportFile::Put(const std::string& text) {
  const bool put = (name_ == kStdout || Empty()) && Write(file_.get(), text);
  return put ? absl::OkStatus() : Error();
}

}  // namespace muster::vmm
