#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace muster::vmm::testing {

inline void Append(std::vector<uint8_t>& to, const std::vector<uint8_t>& bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

template <typename T>
void AppendValue(std::vector<uint8_t>& to, const T& value) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
  to.insert(to.end(), bytes, bytes + sizeof(T));
}

// Puts `value` where something is already, and fails the test past the end.
template <typename T>
void Store(std::vector<uint8_t>& bytes, uint64_t offset, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    bytes.at(offset + i) = static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i));
  }
}

}  // namespace muster::vmm::testing
