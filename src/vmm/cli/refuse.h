#pragma once

#include <absl/status/status.h>
#include <fmt/format.h>
#include <string>

#include <muster/vmm/cli/put_out.h>
#include <muster/vmm/machine/ending.h>

namespace muster::vmm {

// Says on stderr why a command ends with `status`, which it returns.
inline int Refuse(int status, const std::string& why) {
  Say(fmt::format("muster: {}\n", why));
  return status;
}

inline int Refuse(int status, const absl::Status& why) {
  return Refuse(status, std::string(why.message()));
}

// What is wrong with what `option` names.
inline std::string WithOption(const char* option, const absl::Status& why) {
  return fmt::format("{} {}", option, std::string(why.message()));
}

// Where guests cannot run for want of KVM.
inline int RefuseWithoutKvm(const absl::Status& why) {
  return Refuse(kExitNoKvm, fmt::format("{}\nmuster: or run it on an emulated machine, from the "
                                        "source tree: ./dev nested -- COMMAND",
                                        std::string(why.message())));
}

}  // namespace muster::vmm
