#include <cstring>
#include <fmt/format.h>
#include <sys/mman.h>

#include <muster/vmm/memory/guest_memory.h>
#include <muster/vmm/report/os_error.h>

namespace muster::vmm {

void GuestMemory::Unmap::operator()(uint8_t* base) const { munmap(base, bytes); }

GuestMemory::GuestMemory(uint8_t* base, uint64_t bytes)
    : size_(bytes), mapping_(base, Unmap{bytes}) {
  const uint64_t low = std::min(bytes, kHoleBegin);
  regions_.push_back({0, {base, low}});
  if (bytes > low) regions_.push_back({kHoleEnd, {base + low, bytes - low}});
}

absl::StatusOr<GuestMemory> GuestMemory::Create(uint64_t bytes) {
  if (bytes < kSmallest || bytes > kLargest) {
    return absl::InvalidArgumentError("guest memory must be between 1M and 1024G");
  }
  if (bytes % kPage != 0) {
    return absl::InvalidArgumentError("guest memory must be whole pages of 4K");
  }
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        fmt::format("mmap of {} bytes of guest memory: {}", bytes, OsError()));
  }
  return GuestMemory(static_cast<uint8_t*>(base), bytes);
}

absl::StatusOr<std::span<uint8_t>> GuestMemory::At(uint64_t address, uint64_t size) const {
  for (const Region& region : regions_) {
    if (address < region.base) continue;
    const uint64_t offset = address - region.base;
    // Both differences, so that no sum can wrap.
    if (offset <= region.host.size() && size <= region.host.size() - offset) {
      return region.host.subspan(offset, size);
    }
  }
  return absl::OutOfRangeError(
      fmt::format("{:#x} bytes at guest-physical {:#x} are not all RAM", size, address));
}

absl::Status GuestMemory::Write(uint64_t address, std::span<const uint8_t> bytes) {
  absl::StatusOr<std::span<uint8_t>> target = At(address, bytes.size());
  if (!target.ok()) return target.status();
  if (!bytes.empty()) std::memcpy(target->data(), bytes.data(), bytes.size());
  return absl::OkStatus();
}

}  // namespace muster::vmm
