#pragma once

#include <cstdint>
#include <vector>

#include <muster/vmm/load/image_bytes.h>

namespace muster::vmm {

// One section header of an ELF file of either class.
struct ElfSection {
  uint32_t type;
  uint32_t link;  // index of another section, by type
  uint64_t offset, size, entry_size;
};

// In the order of the file; empty where it is no ELF file, has none, or has a damaged table. For
// what an image can run without.
std::vector<ElfSection> ReadSections(const ImageBytes& file);

}  // namespace muster::vmm
