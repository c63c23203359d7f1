#include <fmt/format.h>

#include <muster/vmm/cli/put_out.h>
#include <muster/vmm/machine/ending.h>
#include <muster/vmm/report/os_error.h>

namespace muster::vmm {

bool Write(std::FILE* file, const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0;
}

void Say(const std::string& text) { (void)Write(stderr, text); }

int PutOut(const std::string& text, int status) {
  if (Write(stdout, text)) return status;
  Say(fmt::format("muster: writing to stdout: {}\n", OsError()));
  return kExitHostFailure;
}

}  // namespace muster::vmm
