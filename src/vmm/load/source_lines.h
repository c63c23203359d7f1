#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <muster/vmm/load/image_bytes.h>

namespace muster::vmm {

// By address: "ipi.c:120".
using SourceLines = std::map<uint64_t, std::string>;

// The source lines of those of `addresses` for which an ELF file's DWARF has one; none where it is
// damaged. Decodes only the compilation units that hold one of them, but walks over all: for a
// report, not for every run. Opens no file that the image names.
SourceLines ReadSourceLines(const ImageBytes& file, const std::vector<uint64_t>& addresses);

}  // namespace muster::vmm
