#pragma once

#include <absl/status/status.h>
#include <cstdint>

#include <muster/vmm/load/load_image.h>
#include <muster/vmm/load/placement.h>
#include <muster/vmm/memory/guest_memory.h>

namespace muster::vmm {

// A piece of an image's file and where in guest memory it goes, with zeros after it.
struct Piece {
  uint64_t rule_offset;  // in the file, of what says so
  uint64_t file_offset, file_size;
  uint64_t address, memory_size;
};

// Copies a piece to RAM below the hole, where 32-bit addresses and the identity map reach; refused
// where it does not lie there.
absl::Status Put(const LoadRequest& request, const Piece& piece, Placement& placement,
                 GuestMemory& memory);

}  // namespace muster::vmm
