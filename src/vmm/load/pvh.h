#pragma once

#include <absl/status/statusor.h>
#include <cstdint>

#include <muster/vcpu/run/start_state.h>
#include <muster/vmm/load/load_image.h>
#include <muster/vmm/load/placement.h>
#include <muster/vmm/memory/guest_memory.h>

namespace muster::vmm {

// Writes the start information (version 1) with the command line, the RAM map, the ACPI tables'
// address and the initrd as its one module, and starts the image that has been put in memory as
// Xen's "x86/HVM direct boot ABI" says: 32-bit protected mode at `entry`, EBX the information.
absl::StatusOr<vcpu::StartState> StartPvh(const LoadRequest& request, uint64_t entry,
                                          Placement& placement, GuestMemory& memory);

}  // namespace muster::vmm
