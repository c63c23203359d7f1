#include <algorithm>
#include <fmt/format.h>

#include <muster/vcpu/capi/sized_struct.h>

namespace muster::vcpu::capi {

absl::Status NullError(const char* name) {
  return absl::InvalidArgumentError(fmt::format("{} is NULL", name));
}

absl::Status NeedZero(std::span<const uint8_t> bytes, const char* name) {
  if (std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; })) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      fmt::format("{}: what this version knows nothing of is not 0", name));
}

namespace {

// No structure of any version is larger: past it lies what is not the caller's.
constexpr uint32_t kMostSize = 4096;

}  // namespace

bool IsSize(uint32_t size, Sizes sizes) {
  if (size > sizes.back()) return size <= kMostSize;
  return std::find(sizes.begin(), sizes.end(), size) != sizes.end();
}

absl::Status CheckSize(uint32_t size, Sizes sizes, const char* name) {
  if (IsSize(size, sizes)) return absl::OkStatus();
  if (size > kMostSize) {
    return absl::InvalidArgumentError(
        fmt::format("{}: size is {}, more than {}", name, size, kMostSize));
  }
  if (size > sizes.front()) {
    return absl::InvalidArgumentError(
        fmt::format("{}: size is {}, which is no version's; {}_init sets it", name, size, name));
  }
  return absl::InvalidArgumentError(
      fmt::format("{}: size is {}, less than the {} of its first version; {}_init sets it", name,
                  size, sizes.front(), name));
}

}  // namespace muster::vcpu::capi
