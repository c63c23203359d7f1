#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <muster/vcpu/run/inspection.h>
#include <muster/vmm/device/gate_port.h>
#include <muster/vmm/load/source_lines.h>
#include <muster/vmm/load/symbols.h>
#include <muster/vmm/load/variables.h>
#include <muster/vmm/memory/guest_memory.h>

namespace muster::vmm {

// A guest after its run, as signatures and reports look at it: from outside.
struct FinalState {
  const GuestMemory* memory = nullptr;
  const SymbolTable* symbols = nullptr;
  const Variables* variables = nullptr;
  std::vector<vcpu::Inspection> vcpus;               // by number
  std::map<int, std::optional<DeclaredWait>> waits;  // by vCPU, as last declared
  bool deadlock = false;                             // proved: no vCPU can ever move again

  const vcpu::Inspection* Find(int cpu) const;
  // The little-endian number at a guest-linear address, by the mapping of the first vCPU that has
  // registers. Nothing where that is not RAM.
  std::optional<uint64_t> Load(uint64_t address, uint32_t size) const;
};

// "waiters[2]", or the address.
std::string NameOf(const FinalState& state, uint64_t address);

// Whether memory has what `wait` is for.
bool IsOver(const FinalState& state, const DeclaredWait& wait);

}  // namespace muster::vmm
