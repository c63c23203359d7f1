#pragma once

#include <absl/status/statusor.h>
#include <cstdint>
#include <string>
#include <vector>

namespace muster::vmm {

inline constexpr uint64_t kLargestFile = uint64_t{2} << 30;

// A whole file. Refuses what is not a regular file, is empty, or is larger than kLargestFile; the
// status names the file.
absl::StatusOr<std::vector<uint8_t>> ReadFile(const std::string& path);

}  // namespace muster::vmm
