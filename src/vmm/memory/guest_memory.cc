#include <cstring>
#include <fmt/format.h>
#include <sys/mman.h>

#include <muster/vmm/memory/guest_memory.h>
#include <muster/vmm/report/os_error.h>

namespace muster::vmm {

namespace {

constexpr uint64_t kHugePage = uint64_t{2} << 20;
constexpr uint64_t kLargeGuest = uint64_t{512} << 20;

}  // namespace

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
  const uint64_t reserved = bytes + kHugePage;
  void* mapped = mmap(nullptr, reserved, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        fmt::format("mmap of {} bytes of guest memory: {}", bytes, OsError()));
  }
  // KVM maps huge pages where both addresses are multiples of one: what is too much goes back.
  auto* const begin = static_cast<uint8_t*>(mapped);
  const uint64_t before = (kHugePage - reinterpret_cast<uintptr_t>(begin) % kHugePage) % kHugePage;
  uint8_t* const base = begin + before;
  if (before != 0) munmap(begin, before);
  munmap(base + bytes, kHugePage - before);
  // A fault for each 4 KiB is most of what the start of a large kernel costs. Small guests touch
  // few pages, and would take 2 MiB for each. Where it is refused, it is slower.
  if (bytes >= kLargeGuest) madvise(base, bytes, MADV_HUGEPAGE);
  return GuestMemory(base, bytes);
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
