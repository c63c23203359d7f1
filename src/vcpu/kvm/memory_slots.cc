#include <fmt/format.h>

#include <muster/vcpu/kvm/memory_slots.h>
#include <muster/vcpu/kvm/vm_handle.h>

namespace muster::vcpu {

absl::Status MemorySlots::Add(uint64_t gpa, std::span<uint8_t> host, bool read_only) {
  sync::MutexLock lock(mutex_);
  absl::Status status = MayAdd("Add", gpa, host.size());
  if (!status.ok()) return status;
  MemoryMap map = map_;
  status = map.Add(gpa, host, read_only);
  if (!status.ok()) return status;
  // From above, where an adopted VM's maker has none of its own; the last is a probe's.
  const uint32_t slots = vm_->memory_slots();
  if (added_ + 2 > slots) return absl::ResourceExhaustedError("there is no memory slot left");
  status = vm_->SetMemoryRegion(slots - 2 - added_, gpa, host, read_only);
  if (absl::IsInvalidArgument(status)) {
    // As KVM refuses to make another of a slot that is there.
    return absl::InvalidArgumentError(
        fmt::format("{}; if that slot is one of the VM's maker: number those from 0",
                    std::string(status.message())));
  }
  if (!status.ok()) return status;
  ++added_;
  map_ = std::move(map);
  return absl::OkStatus();
}

absl::Status MemorySlots::Note(uint64_t gpa, std::span<uint8_t> host, bool read_only) {
  sync::MutexLock lock(mutex_);
  absl::Status status = MayAdd("Note", gpa, host.size());
  return status.ok() ? map_.Add(gpa, host, read_only) : status;
}

void MemorySlots::Seal() {
  sync::MutexLock lock(mutex_);
  sealed_ = true;
}

absl::Status MemorySlots::MayAdd(const char* call, uint64_t gpa, uint64_t bytes) const {
  if (!sealed_) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("guest memory at {:#x}, {:#x} bytes: {} called after a vCPU has run; memory is "
                  "given before the first Run",
                  gpa, bytes, call));
}

}  // namespace muster::vcpu
