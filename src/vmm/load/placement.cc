#include <algorithm>
#include <fmt/format.h>
#include <optional>

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
    return NoRoom(size, ram_end_, what);
  }
  Take(base, size);
  return base;
}

absl::StatusOr<uint64_t> Placement::FindHighest(uint64_t floor, uint64_t ceiling, uint64_t size,
                                                const std::string& what) {
  const uint64_t end = std::min(ceiling, ram_end_);
  uint64_t top = end;
  const auto base = [&]() -> std::optional<uint64_t> {
    if (top < size) return std::nullopt;
    const uint64_t aligned = (top - size) / GuestMemory::kPage * GuestMemory::kPage;
    return aligned >= floor ? std::optional(aligned) : std::nullopt;
  };
  // From the highest down: what is taken and in the way moves the top to its begin.
  for (auto range = taken_.rbegin(); range != taken_.rend() && base(); ++range) {
    if (range->base < *base() + size && range->end > *base()) top = range->base;
  }
  if (!base()) return NoRoom(size, end, what);
  Take(*base(), size);
  return *base();
}

absl::Status Placement::NoRoom(uint64_t size, uint64_t end, const std::string& what) const {
  if (end < ram_end_) {
    return absl::ResourceExhaustedError(fmt::format(
        "{} ({} bytes) does not fit below {:#x}, where the image wants it", what, size, end));
  }
  return absl::ResourceExhaustedError(
      fmt::format("{} ({} bytes) does not fit into guest memory, which ends at {:#x}; give more "
                  "with --memory",
                  what, size, end));
}

}  // namespace muster::vmm
