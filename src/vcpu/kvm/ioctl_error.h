#pragma once

#include <absl/status/status.h>
#include <string>

namespace muster::vcpu {

inline constexpr int kNoVcpu = -1;

// A system call on a KVM descriptor that failed with `error` (an errno value), as a status that
// names the call, the errno and, unless kNoVcpu, the vCPU. Running out of descriptors names
// RLIMIT_NOFILE and its value.
absl::Status IoctlError(const char* call, int error, int vcpu = kNoVcpu);

// A failed open of the KVM device, with what mends it: PermissionDenied, NotFound (no such file,
// or no driver behind it), ResourceExhausted (descriptors), else by errno.
absl::Status OpenError(const std::string& path, int error);

}  // namespace muster::vcpu
