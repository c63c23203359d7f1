#pragma once

#include <cstdlib>

namespace muster::vmm {

// The KVM device: /dev/kvm, or what MUSTER_KVM names.
inline const char* KvmDevice() {
  const char* path = std::getenv("MUSTER_KVM");  // NOLINT(concurrency-mt-unsafe): none is set
  return path != nullptr ? path : "/dev/kvm";
}

}  // namespace muster::vmm
