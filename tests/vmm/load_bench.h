#pragma once

#include <absl/status/statusor.h>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <muster/vmm/load/load_image.h>

namespace muster::vmm::testing {

inline constexpr uint64_t kRam = uint64_t{16} << 20;

inline GuestMemory Ram(uint64_t bytes = kRam) { return *GuestMemory::Create(bytes); }

// Loads `bytes` as a file by the name img.
inline absl::StatusOr<LoadedImage> Load(const std::vector<uint8_t>& bytes, GuestMemory& memory) {
  return LoadImage({ImageBytes("img", bytes), ""}, memory);
}

// Why `bytes` are refused, or "loaded".
inline std::string Refusal(const std::vector<uint8_t>& bytes, uint64_t ram = kRam) {
  GuestMemory memory = Ram(ram);
  const absl::StatusOr<LoadedImage> loaded = Load(bytes, memory);
  return loaded.ok() ? "loaded" : std::string(loaded.status().message());
}

template <typename T>
T Peek(const GuestMemory& memory, uint64_t address) {
  T value;
  std::memcpy(&value, memory.At(address, sizeof(T)).value().data(), sizeof(T));
  return value;
}

inline std::string PeekString(const GuestMemory& memory, uint64_t address) {
  return reinterpret_cast<const char*>(memory.At(address, 1).value().data());
}

// Field `index` of the Multiboot information structure at `rbx`.
inline uint32_t Info(const GuestMemory& memory, uint64_t rbx, int index) {
  return Peek<uint32_t>(memory, rbx + 4 * static_cast<uint64_t>(index));
}

}  // namespace muster::vmm::testing
