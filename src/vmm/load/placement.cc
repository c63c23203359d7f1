#include <algorithm>
#include <fmt/format.h>

#include <muster/vmm/load/placement.h>
#include <muster/vmm/memory/guest_memory.h>

namespace muster::vmm {

void Placement::Take(uint64_t base, uint64_t size) {
  const Range range{base, base + size};
  taken_.insert(std::upper_bound(taken_.begin(), taken_.end(), range,
                                 [](const Range& a, const Range& b) { return a.base < b.base; }),
                range);
}

uint64_t Placement::taken_end() const {
  uint64_t end = 0;
  for (const Range& range : taken_) end = std::max(end, range.end);
  return end;
}

absl::StatusOr<uint64_t> Placement::Find(uint64_t floor, uint64_t size, const std::string& what) {
  constexpr uint64_t kPage = GuestMemory::kPage;
  const auto align = [](uint64_t address) { return (address + kPage - 1) / kPage * kPage; };
  uint64_t base = align(floor);
  for (const Range& range : taken_) {
    if (range.end <= base) continue;
    if (range.base >= base && range.base - base >= size) break;
    base = align(range.end);
  }
  if (base > ram_end_ || size > ram_end_ - base) {
    return absl::ResourceExhaustedError(
        fmt::format("{} ({} bytes) does not fit into guest memory, which ends at {:#x}; give more "
                    "with --memory",
                    what, size, ram_end_));
  }
  Take(base, size);
  return base;
}

}  // namespace muster::vmm
