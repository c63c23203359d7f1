#include <sys/stat.h>
#include <unistd.h>

#include <muster/vmm/cli/empty_file.h>

namespace muster::vmm {

bool EmptyFile(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) return false;
  return !S_ISREG(status.st_mode) || ftruncate(fd, 0) == 0;
}

}  // namespace muster::vmm
