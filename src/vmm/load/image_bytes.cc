#include <fmt/format.h>

#include <muster/vmm/load/image_bytes.h>

namespace muster::vmm {

absl::Status ImageBytes::Refuse(uint64_t offset, const std::string& rule) const {
  return absl::InvalidArgumentError(fmt::format("{}: offset {:#x}: {}", name_, offset, rule));
}

absl::StatusOr<std::span<const uint8_t>> ImageBytes::At(uint64_t offset, uint64_t size,
                                                        const char* what) const {
  // Both differences, so that no sum can wrap.
  if (offset > bytes_.size() || size > bytes_.size() - offset) {
    return Refuse(offset, fmt::format("{} of {} bytes ends past the file, which has {}", what, size,
                                      bytes_.size()));
  }
  return bytes_.subspan(offset, size);
}

}  // namespace muster::vmm
