#pragma once

#include <muster/vmm/cli/environment.h>

namespace muster::vmm {

// The KVM device: /dev/kvm, or what MUSTER_KVM names, if it names anything.
inline const char* KvmDevice() {
  const char* path = Environment("MUSTER_KVM");
  return path != nullptr ? path : "/dev/kvm";
}

}  // namespace muster::vmm
