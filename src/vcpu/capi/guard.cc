#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <string>

#include <muster/vcpu/capi/guard.h>

namespace muster::vcpu::capi {

int32_t Report(const char* function, absl::StatusCode of, absl::string_view message,
               muster_error* error) noexcept {
  const auto code = static_cast<int32_t>(of);
  if (error == nullptr) return code;
  error->code = code;
  // Not fmt::format, which may throw.
  const auto written = fmt::format_to_n(error->message, sizeof(error->message) - 1, "{}: {}",
                                        function, fmt::string_view(message.data(), message.size()));
  error->message[std::min(written.size, sizeof(error->message) - 1)] = '\0';
  return code;
}

absl::Status Need(const void* pointer, const char* name) {
  if (pointer != nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{} is NULL", name));
}

absl::Status NeedZero(std::span<const uint8_t> bytes, const char* name) {
  if (std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; })) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      fmt::format("{}: what this version knows nothing of is not 0", name));
}

absl::Status CheckSize(uint32_t size, size_t least, const char* name) {
  if (size > kMostSize) {
    return absl::InvalidArgumentError(
        fmt::format("{}: size is {}, more than {}", name, size, kMostSize));
  }
  if (size >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{}: size is {}, less than the {} of its first version; {}_init sets it", name,
                  size, least, name));
}

}  // namespace muster::vcpu::capi
