#pragma once

#include <cstdlib>

namespace muster::vmm {

// What the environment has for `name`; null where that is nothing, or empty.
inline const char* Environment(const char* name) {
  // Nobody in this process sets any.
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value != nullptr && *value != '\0' ? value : nullptr;
}

}  // namespace muster::vmm
