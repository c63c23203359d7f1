#include <cstring>

#include <muster/vmm/machine/guest_code.h>

namespace muster::vmm {
namespace {

// SDM "4-Level Paging and 5-Level Paging".
constexpr uint64_t kCr0Paging = uint64_t{1} << 31;
constexpr uint64_t kCr4La57 = uint64_t{1} << 12;
constexpr uint64_t kPresent = 1, kPageSize = 0x80;
constexpr uint64_t kAddressMask = 0x000ffffffffff000;

}  // namespace

std::optional<uint64_t> Translate(const GuestMemory& memory, const vcpu::Inspection& vcpu,
                                  uint64_t linear) {
  if (!(vcpu.cr0 & kCr0Paging)) return linear & UINT32_MAX;
  if (!vcpu.long_mode()) return std::nullopt;
  uint64_t table = vcpu.cr3 & kAddressMask;
  for (int shift = vcpu.cr4 & kCr4La57 ? 48 : 39; shift >= 12; shift -= 9) {
    const auto bytes = memory.At(table + 8 * (linear >> shift & 511), 8);
    if (!bytes.ok()) return std::nullopt;
    uint64_t entry;
    std::memcpy(&entry, bytes->data(), sizeof(entry));
    if (!(entry & kPresent)) return std::nullopt;
    const bool last = shift == 12 || (shift <= 30 && (entry & kPageSize));
    if (last) {
      const uint64_t offset_mask = (uint64_t{1} << shift) - 1;
      return (entry & kAddressMask & ~offset_mask) | (linear & offset_mask);
    }
    table = entry & kAddressMask;
  }
  return std::nullopt;
}

std::vector<uint8_t> ReadCode(const GuestMemory& memory, const vcpu::Inspection& vcpu, uint64_t rip,
                              size_t count) {
  std::vector<uint8_t> code;
  for (size_t i = 0; i < count; ++i) {
    const auto physical = Translate(memory, vcpu, vcpu.cs_base + rip + i);
    if (!physical) break;
    const auto byte = memory.At(*physical, 1);
    if (!byte.ok()) break;
    code.push_back(byte->front());
  }
  return code;
}

}  // namespace muster::vmm
