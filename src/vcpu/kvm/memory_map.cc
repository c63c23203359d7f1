#include <fmt/format.h>
#include <iterator>
#include <string>

#include <muster/vcpu/kvm/memory_map.h>

namespace muster::vcpu {

namespace {

bool PageAligned(uint64_t value) { return value % kPageSize == 0; }

}  // namespace

absl::Status MemoryMap::Add(uint64_t gpa, std::span<uint8_t> host, bool read_only) {
  const auto refuse = [&](const std::string& rule) {
    return absl::InvalidArgumentError(
        fmt::format("guest memory at {:#x}, {:#x} bytes: {}", gpa, host.size(), rule));
  };
  if (host.empty()) return refuse("it is empty");
  if (host.data() == nullptr) return refuse("the host address is null");
  if (!PageAligned(gpa) || !PageAligned(host.size()) ||
      !PageAligned(reinterpret_cast<uintptr_t>(host.data()))) {
    return refuse(fmt::format("guest address, host address ({}) and size must be whole pages",
                              fmt::ptr(host.data())));
  }
  const uint64_t end = gpa + host.size();
  if (end < gpa) return refuse("it wraps around the end of the address space");
  if (gpa < kHoleEnd && end > kHoleBegin) {
    return refuse(
        fmt::format("{:#x} to {:#x} is for the interrupt controllers, and accesses there must exit",
                    kHoleBegin, kHoleEnd - 1));
  }

  // Ranges are disjoint, so of those that begin below only the nearest can reach in.
  const auto next = ranges_.lower_bound(gpa);
  auto clash = ranges_.end();
  if (next != ranges_.end() && next->first < end) {
    clash = next;
  } else if (next != ranges_.begin()) {
    const auto below = std::prev(next);
    if (below->first + below->second.host.size() > gpa) clash = below;
  }
  if (clash != ranges_.end()) {
    return refuse(fmt::format("it overlaps the memory at {:#x}, {:#x} bytes", clash->first,
                              clash->second.host.size()));
  }
  ranges_.emplace_hint(next, gpa, Range{host, read_only});
  return absl::OkStatus();
}

const std::pair<const uint64_t, MemoryMap::Range>* MemoryMap::RangeOf(uint64_t gpa,
                                                                      uint64_t length) const {
  const auto after = ranges_.upper_bound(gpa);
  if (after == ranges_.begin()) return nullptr;
  const auto& found = *std::prev(after);
  const uint64_t offset = gpa - found.first, size = found.second.host.size();
  return offset < size && length <= size - offset ? &found : nullptr;
}

std::span<const uint8_t> MemoryMap::Find(uint64_t gpa, uint64_t length) const {
  const auto* const found = RangeOf(gpa, length);
  if (found == nullptr) return {};
  return found->second.host.subspan(gpa - found->first, length);
}

std::span<uint8_t> MemoryMap::FindWritable(uint64_t gpa, uint64_t length) const {
  const auto* const found = RangeOf(gpa, length);
  if (found == nullptr || found->second.read_only) return {};
  return found->second.host.subspan(gpa - found->first, length);
}

}  // namespace muster::vcpu
