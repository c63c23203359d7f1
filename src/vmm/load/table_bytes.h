#pragma once

#include <cstdint>
#include <numeric>
#include <span>
#include <type_traits>
#include <vector>

namespace muster::vmm {

// Tables for the guest's firmware area are built of structures that lie there as they do here.
using TableBytes = std::vector<uint8_t>;

template <typename T>
std::span<const uint8_t> BytesOf(const T& structure) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const uint8_t*>(&structure), sizeof(T)};
}

template <typename T>
void Append(TableBytes& to, const T& structure) {
  const std::span<const uint8_t> bytes = BytesOf(structure);
  to.insert(to.end(), bytes.begin(), bytes.end());
}

// The byte that brings the sum of them all to 0.
inline uint8_t Checksum(std::span<const uint8_t> bytes) {
  return static_cast<uint8_t>(0 - std::accumulate(bytes.begin(), bytes.end(), 0u));
}

}  // namespace muster::vmm
