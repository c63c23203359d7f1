#pragma once

#include <absl/status/status.h>
#include <functional>
#include <vector>

namespace muster::vcpu {

// One that is needed, by its name in <linux/kvm.h>.
struct Capability {
  const char* name;
  bool present;
};

// Every capability that this library needs, as `check_extension` (KVM_CHECK_EXTENSION) reports it.
std::vector<Capability> NeededCapabilities(const std::function<int(int)>& check_extension);

// FailedPrecondition that names every capability this library needs and `check_extension`
// (KVM_CHECK_EXTENSION) does not report.
absl::Status CheckCapabilities(const std::function<int(int)>& check_extension);

}  // namespace muster::vcpu
