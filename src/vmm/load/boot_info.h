#pragma once

#include <absl/status/statusor.h>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <muster/vmm/load/placement.h>
#include <muster/vmm/memory/guest_memory.h>

namespace muster::vmm {

struct BootInfo {
  std::string command_line;
  struct Module {
    std::string name;
    std::span<const uint8_t> bytes;
  };
  std::vector<Module> modules;
  uint64_t image_end = 0;       // strings and modules go above
  uint64_t usable_low_end = 0;  // RAM between here and the hole is the loader's
};

// Writes the Multiboot information structure and what it points to, and returns its address, which
// is for EBX. Multiboot Specification version 0.6.96, "Boot information format". Where things go:
// structure and memory map at 0x9000, strings and modules on pages after the image, as QEMU has
// them; the next free place where the image is there already.
absl::StatusOr<uint32_t> WriteBootInfo(const BootInfo& info, Placement& placement,
                                       GuestMemory& memory);

}  // namespace muster::vmm
