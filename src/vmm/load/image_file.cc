#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <muster/vcpu/kvm/fd.h>
#include <muster/vmm/load/image_file.h>
#include <muster/vmm/report/os_error.h>

namespace muster::vmm {
namespace {

absl::Status Trouble(const std::string& path, const std::string& what) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", path, what));
}

}  // namespace

absl::StatusOr<std::vector<uint8_t>> ReadFile(const std::string& path) {
  // Not blocking, so that a FIFO without a writer is refused and not waited for.
  const vcpu::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!file.valid() || fstat(file.get(), &status) != 0) return Trouble(path, OsError());
  if (!S_ISREG(status.st_mode)) return Trouble(path, "is not a regular file");
  if (status.st_size == 0) return Trouble(path, "is empty");
  if (static_cast<uint64_t>(status.st_size) > kLargestFile) {
    return Trouble(path, "is larger than 2 GiB");
  }
  std::vector<uint8_t> bytes(static_cast<size_t>(status.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = read(file.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Trouble(path, OsError());
    if (got == 0) break;  // It has become shorter meanwhile.
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace muster::vmm
