#pragma once

#include <absl/status/status.h>
#include <string>
#include <sys/types.h>

namespace muster::vcpu {

// A failed open of the KVM device: PermissionDenied, NotFound (no such file, or no driver behind
// it), ResourceExhausted (descriptors), else by errno. The message says why; where something mends
// it, that follows the first ';'.
absl::Status OpenError(const std::string& path, int error);

// The two below make the why and the mend of OpenError, in the same form.

// Of a device that is not there: by the text of /proc/cpuinfo, and by the directories of KVM's
// vendor modules (kvm_intel, kvm_amd, kvm_...) under `modules`.
std::string WhyAbsent(const std::string& cpuinfo, const std::string& modules = "/sys/module");

// Of a device of that mode which denies read and write.
struct DeniedDevice {
  std::string path;
  mode_t mode;
  std::string owner, group;
  bool is_member;  // this process is in that group
};
std::string WhyDenied(const DeniedDevice& device);

}  // namespace muster::vcpu
