#pragma once

#include <absl/status/status.h>
#include <cstdint>
#include <memory>

#include <muster/vcpu/capi/c_vm.h>
#include <muster/vcpu/capi/muster.h>
#include <muster/vcpu/capi/tagged_slots.h>

namespace muster::vcpu::capi {

// The one thing that the VMs of a process share.
extern TaggedSlots<CVm> vm_slots;

// A call's hold on the VM of a handle: it is not destroyed meanwhile.
class Held {
 public:
  // Inline, as all that muster_vcpu_run comes to for each exit: little of its code is in the cache
  // then.
  explicit Held(muster_vm* handle) : handle_(handle), held_(reinterpret_cast<uint64_t>(handle)) {}

  // Null: `status()` says why.
  CVm* vm() const { return held_.get(); }
  absl::Status status() const;

 private:
  muster_vm* const handle_;
  const TaggedSlots<CVm>::Held held_;
};

muster_vm* NewHandle(std::unique_ptr<CVm> vm);

// FailedPrecondition where it is gone, or calls are inside. Destroys it with no lock held.
absl::Status Destroy(muster_vm* handle);

}  // namespace muster::vcpu::capi
