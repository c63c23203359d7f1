#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <memory>

#include <muster/vcpu/capi/muster.h>

namespace muster::vcpu::capi {

class CVm;
struct Slot;

// A call's hold on the VM of a handle: it is not destroyed meanwhile.
//
// Handles are never dereferenced. One is the address of a slot, and in the upper 16 bits, which are
// no address's, the generation of what is in it; slots are used again and never freed. So a handle
// of a VM that is gone is told from one that is there, until 65,535 others have had its slot. The
// slots are the one thing that the VMs of a process share.
class Held {
 public:
  explicit Held(muster_vm* handle);
  ~Held();
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  // Null: `status()` says why.
  CVm* vm() const { return vm_; }
  absl::Status status() const;

 private:
  muster_vm* const handle_;
  Slot* slot_ = nullptr;
  CVm* vm_ = nullptr;
};

muster_vm* NewHandle(std::unique_ptr<CVm> vm);

// FailedPrecondition where it is gone, or calls are inside. Destroys it with no lock held.
absl::Status Destroy(muster_vm* handle);

}  // namespace muster::vcpu::capi
