#pragma once

#include <absl/status/status.h>

namespace muster::vcpu {

inline constexpr int kNoVcpu = -1;

// A system call on a KVM descriptor that failed with `error` (an errno value), as a status that
// names the call, the errno and, unless kNoVcpu, the vCPU. Running out of descriptors names
// RLIMIT_NOFILE and its value.
absl::Status IoctlError(const char* call, int error, int vcpu = kNoVcpu);

}  // namespace muster::vcpu
