#pragma once

#include <cstdint>
#include <vector>

namespace muster::vmm {

// Intel MultiProcessor Specification 1.4, the ids having 8 bits: what a kernel finds its processors
// and interrupts by.
inline constexpr int kMostMpCpus = 255;

// An id that no processor has; where they take all of them, 255.
uint8_t IoApicIdFor(int cpus);

// Floating pointer structure and configuration table, to be put at `address`, which is a multiple
// of 16: the first kMostMpCpus processors, an ISA bus, the I/O APIC, its pins (IRQ 0 on pin 2, the
// others on that of their number) and the local interrupts (LINT0 ExtINT, LINT1 NMI).
std::vector<uint8_t> BuildMpTables(uint32_t address, int cpus);

}  // namespace muster::vmm
