#pragma once

#include <cstdlib>

namespace muster::vmm {

// The KVM device: /dev/kvm, or what MUSTER_KVM names, if it names anything.
inline const char* KvmDevice() {
  // Unsafe beside a setenv, of which this program has none.
  const char* path = std::getenv("MUSTER_KVM");  // NOLINT(concurrency-mt-unsafe)
  return path != nullptr && *path != '\0' ? path : "/dev/kvm";
}

}  // namespace muster::vmm
