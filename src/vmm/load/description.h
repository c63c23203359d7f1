#pragma once

#include <string>

#include <muster/vmm/load/image_bytes.h>

namespace muster::vmm {

// What an installed guest says of itself: the contents of the ELF note that is named "Muster" and
// has type 1, which muster_add_guest writes into section .note.muster. "" where there is none.
std::string ReadDescription(const ImageBytes& file);

}  // namespace muster::vmm
