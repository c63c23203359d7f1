#include <fmt/format.h>
#include <sys/stat.h>

#include <muster/vmm/cli/distinct_files.h>

namespace muster::vmm {

void DistinctFiles::Reads(const std::string& role, const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) == 0) files_.push_back({role, status.st_dev, status.st_ino});
}

absl::Status DistinctFiles::Writes(const std::string& role, int fd) {
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0 || S_ISCHR(status.st_mode)) return absl::OkStatus();
  for (const File& file : files_) {
    if (file.device == status.st_dev && file.inode == status.st_ino) {
      return absl::InvalidArgumentError(
          fmt::format("{} and {} name the same file", role, file.role));
    }
  }
  files_.push_back({role, status.st_dev, status.st_ino});
  return absl::OkStatus();
}

}  // namespace muster::vmm
