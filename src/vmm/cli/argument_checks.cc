#include <charconv>
#include <fmt/format.h>

#include <muster/vmm/cli/argument_checks.h>

namespace muster::vmm {

absl::StatusOr<int> ParseCount(const std::string& text, int most) {
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1 || count > most) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is not a whole number from 1 to {}", text, most));
  }
  return count;
}

CLI::Validator FileName() {
  return CLI::Validator(
      [](const std::string& name) {
        if (name.empty()) return std::string("a file's name is empty");
        if (name == "-") return std::string("-: this can't go to stdout; name a file");
        if (name[0] != '-') return std::string();
        return fmt::format("a file's name is missing before {0}; for a file of that name, ./{0}",
                           name);
      },
      "");
}

CLI::Validator FileNameOrStdout() {
  return CLI::Validator(
      [file = FileName()](std::string& name) { return name == "-" ? std::string() : file(name); },
      "");
}

}  // namespace muster::vmm
