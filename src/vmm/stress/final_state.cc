#include <cstring>
#include <fmt/format.h>

#include <muster/vmm/machine/guest_code.h>
#include <muster/vmm/stress/final_state.h>

namespace muster::vmm {

const vcpu::Inspection* FinalState::Find(int cpu) const {
  for (const vcpu::Inspection& vcpu : vcpus) {
    if (vcpu.cpu == cpu) return &vcpu;
  }
  return nullptr;
}

std::optional<uint64_t> FinalState::Load(uint64_t address, uint32_t size) const {
  if (size == 0 || size > sizeof(uint64_t)) return std::nullopt;
  for (const vcpu::Inspection& vcpu : vcpus) {
    if (!vcpu.registers_known) continue;
    const std::optional<uint64_t> physical = Translate(*memory, vcpu, address);
    if (!physical) continue;
    const auto bytes = memory->At(*physical, size);
    if (!bytes.ok()) return std::nullopt;
    uint64_t value = 0;
    std::memcpy(&value, bytes->data(), size);
    return value;
  }
  return std::nullopt;
}

std::string NameOf(const FinalState& state, uint64_t address) {
  std::string name = state.variables->NameOf(address);
  return name.empty() ? fmt::format("{:#x}", address) : name;
}

bool IsOver(const FinalState& state, const DeclaredWait& wait) {
  const std::optional<uint64_t> value = state.Load(wait.address, wait.size);
  if (!value) return false;
  switch (wait.relation) {
    case DeclaredWait::Relation::kEqual:
      return *value == wait.wanted;
    case DeclaredWait::Relation::kAtLeast:
      return *value >= wait.wanted;
    case DeclaredWait::Relation::kDiffers:
      return *value != wait.wanted;
    case DeclaredWait::Relation::kBitsClear:
      return (*value & wait.wanted) == 0;
  }
  return false;
}

}  // namespace muster::vmm
