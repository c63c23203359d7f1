#pragma once

#include <absl/status/statusor.h>
#include <cstdint>
#include <string>

#include <muster/vcpu/run/start_state.h>
#include <muster/vmm/load/linux_header.h>
#include <muster/vmm/load/load_image.h>
#include <muster/vmm/load/placement.h>
#include <muster/vmm/memory/guest_memory.h>

namespace muster::vmm {

// In words: "Linux 6.1.0-13-amd64, boot protocol 2.15, 64-bit entry".
std::string Describe(const LinuxHeader& header);

// Puts the protected-mode kernel where it prefers to be; where RAM ends below that, and it can be
// moved, at the lowest place above 1 MiB. Returns the address.
absl::StatusOr<uint64_t> PutLinux(const LoadRequest& request, const LinuxHeader& header,
                                  Placement& placement, GuestMemory& memory);

// Writes boot_params with the RAM map and the ACPI tables' address, the command line, and the
// initrd as high as the kernel allows, and starts the kernel that is at `address` as "64-bit Boot
// Protocol" or "32-bit Boot Protocol" of "The Linux/x86 Boot Protocol" says: RSI is boot_params,
// CS and DS are selectors 10h and 18h. The screen is said to be none.
absl::StatusOr<vcpu::StartState> StartLinux(const LoadRequest& request, const LinuxHeader& header,
                                            uint64_t address, Placement& placement,
                                            GuestMemory& memory);

}  // namespace muster::vmm
