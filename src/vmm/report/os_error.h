#pragma once

#include <cerrno>
#include <string>
#include <system_error>

namespace muster::vmm {

// What an errno value means, in words. Unlike strerror(), for any thread.
inline std::string OsError(int error = errno) { return std::generic_category().message(error); }

}  // namespace muster::vmm
