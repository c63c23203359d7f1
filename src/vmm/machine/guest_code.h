#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <muster/vcpu/run/inspection.h>
#include <muster/vmm/memory/guest_memory.h>

namespace muster::vmm {

// Guest-linear to guest-physical by the vCPU's registers: without paging, or in IA-32e mode with 4
// or 5 levels. Nothing where it is not mapped, or by other modes.
std::optional<uint64_t> Translate(const GuestMemory& memory, const vcpu::Inspection& vcpu,
                                  uint64_t linear);

// Up to `count` bytes of code at CS:`rip`, fewer where they leave mapped RAM.
std::vector<uint8_t> ReadCode(const GuestMemory& memory, const vcpu::Inspection& vcpu, uint64_t rip,
                              size_t count);

}  // namespace muster::vmm
