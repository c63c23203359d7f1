#pragma once

#include <cstdint>
#include <vector>

namespace muster::vmm {

// An SMBIOS 3.0 entry point and what it points to, to be put at `address`, which is a multiple of
// 16 in F0000 to FFFFF: who made the firmware and the machine. DMTF DSP0134, "System Management
// BIOS (SMBIOS) Reference Specification". Kernels trust a machine's PCI configuration ports, though
// nothing answers there, where its firmware has a date of this century.
std::vector<uint8_t> BuildSmbios(uint32_t address);

}  // namespace muster::vmm
