#pragma once

#include <absl/status/status.h>
#include <string>
#include <sys/types.h>
#include <vector>

namespace muster::vmm {

// The files of one command, so that none is written over that is read, or written twice. Names do
// not tell: one file may have many. Of a device there is no harm in that.
class DistinctFiles {
 public:
  // What is read, as `role` calls it. Where there is none, whoever opens it says so.
  void Reads(const std::string& role, const std::string& path);
  // What is to be written, -1 for nothing. InvalidArgument names both where it is one of those
  // before.
  absl::Status Writes(const std::string& role, int fd);

 private:
  struct File {
    std::string role;
    dev_t device;
    ino_t inode;
  };
  std::vector<File> files_;
};

}  // namespace muster::vmm
