#include <muster/vcpu/kvm/memory_slots.h>
#include <muster/vcpu/kvm/vm_handle.h>

namespace muster::vcpu {

absl::Status MemorySlots::Add(uint64_t gpa, std::span<uint8_t> host, bool read_only) {
  MemoryMap map = map_;
  absl::Status status = map.Add(gpa, host);
  if (!status.ok()) return status;
  status = vm_->SetMemoryRegion(next_slot_, gpa, host, read_only);
  if (!status.ok()) return status;
  ++next_slot_;
  map_ = std::move(map);
  return absl::OkStatus();
}

}  // namespace muster::vcpu
