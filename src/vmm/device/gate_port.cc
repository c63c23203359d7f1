#include <algorithm>
#include <cstring>

#include <muster/vmm/device/gate_port.h>
#include <muster/vmm/machine/guest_code.h>

namespace muster::vmm {
namespace {

// struct Wait of guest/runtime/wait.h.
struct GuestWait {
  uint64_t address, wanted, site;
  uint32_t relation;
  uint16_t size, halts;
};
static_assert(sizeof(GuestWait) == 32);

bool IsNameByte(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }

std::optional<uint8_t> ReadByte(const GuestMemory& memory, const vcpu::Inspection& vcpu,
                                uint64_t address) {
  const std::optional<uint64_t> physical = Translate(memory, vcpu, address);
  if (!physical) return std::nullopt;
  const auto byte = memory.At(*physical, 1);
  if (!byte.ok()) return std::nullopt;
  return (*byte)[0];
}

}  // namespace

bool GatePort::IsName(const std::string& name) {
  return !name.empty() && name.size() <= kLongestName &&
         std::all_of(name.begin(), name.end(), IsNameByte);
}

std::optional<std::string> GatePort::ReadName(const GuestMemory& memory,
                                              const vcpu::Inspection& vcpu, uint64_t address) {
  std::string name;
  while (name.size() <= kLongestName) {
    const std::optional<uint8_t> byte = ReadByte(memory, vcpu, address + name.size());
    if (!byte) return std::nullopt;
    if (*byte == 0) break;
    name += static_cast<char>(*byte);
  }
  if (!IsName(name)) return std::nullopt;
  return name;
}

std::optional<DeclaredWait> GatePort::ReadWait(const GuestMemory& memory,
                                               const vcpu::Inspection& vcpu, uint64_t address) {
  uint8_t bytes[sizeof(GuestWait)];
  for (size_t i = 0; i < sizeof(bytes); ++i) {
    const std::optional<uint8_t> byte = ReadByte(memory, vcpu, address + i);
    if (!byte) return std::nullopt;
    bytes[i] = *byte;
  }
  GuestWait wait;
  std::memcpy(&wait, bytes, sizeof(wait));
  const bool size_is_good = wait.size == 1 || wait.size == 2 || wait.size == 4 || wait.size == 8;
  if (!size_is_good || wait.relation > static_cast<uint32_t>(DeclaredWait::Relation::kBitsClear)) {
    return std::nullopt;
  }
  return DeclaredWait{.address = wait.address,
                      .wanted = wait.wanted,
                      .site = wait.site,
                      .relation = static_cast<DeclaredWait::Relation>(wait.relation),
                      .size = wait.size,
                      .halts = wait.halts != 0};
}

}  // namespace muster::vmm
