#pragma once

#include <absl/status/statusor.h>
#include <cstdint>
#include <optional>

#include <muster/vmm/load/image_bytes.h>

namespace muster::vmm {

// The physical address at which an ELF image wants to be entered as a PVH guest: its note
// XEN_ELFNOTE_PHYS32_ENTRY in a program header PT_NOTE (Xen, "x86/HVM direct boot ABI"). Nothing
// where it has none; refused where notes leave the file or overlap their segment.
absl::StatusOr<std::optional<uint32_t>> FindPvhEntry(const ImageBytes& file);

}  // namespace muster::vmm
