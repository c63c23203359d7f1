#include <algorithm>
#include <fmt/format.h>

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

}  // namespace muster::vcpu::capi
