#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>

namespace muster::vmm {

// A file's bytes and its name. Nothing in them is trusted: every read is bounded here. Does not own
// the bytes.
class ImageBytes {
 public:
  ImageBytes(std::string name, std::span<const uint8_t> bytes)
      : name_(std::move(name)), bytes_(bytes) {}

  const std::string& name() const { return name_; }
  uint64_t size() const { return bytes_.size(); }
  std::span<const uint8_t> all() const { return bytes_; }

  // An InvalidArgument status that names this file, the offset and the rule broken there.
  absl::Status Refuse(uint64_t offset, const std::string& rule) const;

  // The `size` bytes at `offset`, or a refusal: "`what` ends past the file".
  absl::StatusOr<std::span<const uint8_t>> At(uint64_t offset, uint64_t size,
                                              const char* what) const;

  template <typename T>
  absl::StatusOr<T> Read(uint64_t offset, const char* what) const {
    static_assert(std::is_trivially_copyable_v<T>);
    absl::StatusOr<std::span<const uint8_t>> bytes = At(offset, sizeof(T), what);
    if (!bytes.ok()) return bytes.status();
    T value;
    std::memcpy(&value, bytes->data(), sizeof(T));
    return value;
  }

 private:
  std::string name_;
  std::span<const uint8_t> bytes_;
};

}  // namespace muster::vmm
