#pragma once

#include <absl/status/statusor.h>
#include <cstdint>
#include <string>

namespace muster::vmm {

// "256M" and the like: a whole number, then K, M or G (powers of 1,024), or nothing for bytes.
// InvalidArgument says what was wrong with `text`.
absl::StatusOr<uint64_t> ParseSize(const std::string& text);

// "500ms", "10s", "2m" in nanoseconds; at least 1 ms.
absl::StatusOr<uint64_t> ParseDuration(const std::string& text);

}  // namespace muster::vmm
