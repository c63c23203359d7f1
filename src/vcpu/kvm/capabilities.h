#pragma once

#include <absl/status/status.h>
#include <functional>

namespace muster::vcpu {

// FailedPrecondition that names every capability this library needs and `check_extension`
// (KVM_CHECK_EXTENSION) does not report.
absl::Status CheckCapabilities(const std::function<int(int)>& check_extension);

}  // namespace muster::vcpu
