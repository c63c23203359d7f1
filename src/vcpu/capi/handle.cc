#include <fmt/format.h>

#include <muster/vcpu/capi/handle.h>

namespace muster::vcpu::capi {

TaggedSlots<CVm> vm_slots;

namespace {

absl::Status Gone(const muster_vm* handle) {
  return handle == nullptr
             ? absl::InvalidArgumentError("the handle is NULL")
             : absl::FailedPreconditionError("the VM of this handle has been destroyed");
}

}  // namespace

absl::Status Held::status() const { return vm() != nullptr ? absl::OkStatus() : Gone(handle_); }

muster_vm* NewHandle(std::unique_ptr<CVm> vm) {
  CVm* const inside = vm.get();
  return inside->handle = reinterpret_cast<muster_vm*>(vm_slots.Put(std::move(vm)));
}

absl::Status Destroy(muster_vm* handle) {
  uint64_t calls;
  if (vm_slots.Take(reinterpret_cast<uint64_t>(handle), calls) != nullptr) return absl::OkStatus();
  if (calls == 0) return Gone(handle);
  return absl::FailedPreconditionError(
      fmt::format("calls have not returned yet that were made with this handle: {}; stop the VM "
                  "and join its threads first",
                  calls));
}

}  // namespace muster::vcpu::capi
