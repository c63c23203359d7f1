#include <charconv>
#include <fmt/format.h>
#include <span>
#include <string_view>

#include <muster/vmm/cli/quantity.h>

namespace muster::vmm {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr Unit kSizes[] = {
    {"G", uint64_t{1} << 30}, {"M", uint64_t{1} << 20}, {"K", 1024}, {"", 1}};
constexpr Unit kDurations[] = {{"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}};

absl::StatusOr<uint64_t> Parse(const std::string& text, std::span<const Unit> units,
                               std::string_view example) {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  const std::string_view suffix(rest, static_cast<size_t>(end - rest));
  if (error == std::errc::invalid_argument) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' does not begin with a whole number; write {}", text, example));
  }
  if (suffix.starts_with('.')) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is no whole number; write {}", text, example));
  }
  for (const Unit& unit : units) {
    if (suffix != unit.name) continue;
    uint64_t value = 0;
    if (error == std::errc::result_out_of_range ||
        __builtin_mul_overflow(number, unit.factor, &value)) {
      return absl::InvalidArgumentError(fmt::format("'{}' is too large", text));
    }
    return value;
  }
  return absl::InvalidArgumentError(
      fmt::format("'{}' has no unit that is known; write {}", text, example));
}

}  // namespace

absl::StatusOr<uint64_t> ParseSize(const std::string& text) {
  return Parse(text, kSizes, "a number and K, M or G, like 256M");
}

absl::StatusOr<uint64_t> ParseDuration(const std::string& text) {
  absl::StatusOr<uint64_t> parsed =
      Parse(text, kDurations, "a number and ms, s or m, like 500ms, 10s or 2m");
  if (parsed.ok() && *parsed == 0) return absl::InvalidArgumentError("a time of 0 is no time");
  return parsed;
}

}  // namespace muster::vmm
