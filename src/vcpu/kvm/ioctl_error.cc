#include <cerrno>
#include <fmt/format.h>
#include <sys/resource.h>
#include <system_error>

#include <muster/vcpu/kvm/ioctl_error.h>

namespace muster::vcpu {

namespace {

std::string Text(int error) {
  return fmt::format("{} (errno {})", std::generic_category().message(error), error);
}

std::string DescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const bool at_hard_limit = limit.rlim_cur == limit.rlim_max;
  return fmt::format(
      "RLIMIT_NOFILE is {} and a VM needs a descriptor for each vCPU; raise {}", limit.rlim_cur,
      at_hard_limit ? "the hard limit too, which is the same: ulimit -n as root, or nofile in "
                      "/etc/security/limits.conf"
                    : fmt::format("it (ulimit -n), up to {} without privilege", limit.rlim_max));
}

}  // namespace

absl::Status IoctlError(const char* call, int error, int vcpu) {
  const std::string message = vcpu == kNoVcpu
                                  ? fmt::format("{}: {}", call, Text(error))
                                  : fmt::format("vCPU {}: {}: {}", vcpu, call, Text(error));
  if (error == EMFILE) return absl::ResourceExhaustedError(message + "; " + DescriptorLimit());
  return absl::Status(absl::ErrnoToStatusCode(error), message);
}

}  // namespace muster::vcpu
