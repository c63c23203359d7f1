#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <string>

#include <muster/vcpu/capi/guard.h>

namespace muster::vcpu::capi {

int32_t Report(const char* function, const absl::Status& status, muster_error* error) noexcept {
  const auto code = static_cast<int32_t>(status.code());
  if (error == nullptr) return code;
  error->code = code;
  // Not fmt::format, which may throw.
  const auto message = status.message();
  const auto written = fmt::format_to_n(error->message, sizeof(error->message) - 1, "{}: {}",
                                        function, fmt::string_view(message.data(), message.size()));
  error->message[std::min(written.size, sizeof(error->message) - 1)] = '\0';
  return code;
}

absl::Status Need(const void* pointer, const char* name) {
  if (pointer != nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{} is NULL", name));
}

absl::Status CheckSize(uint32_t size, size_t least, const char* name) {
  if (size >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{}: size is {}, less than the {} of its first version; {}_init sets it", name,
                  size, least, name));
}

}  // namespace muster::vcpu::capi
