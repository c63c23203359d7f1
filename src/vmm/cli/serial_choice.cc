#include <algorithm>
#include <cctype>
#include <fmt/format.h>

#include <muster/vmm/cli/near_miss.h>
#include <muster/vmm/cli/serial_choice.h>

namespace muster::vmm {
namespace {

constexpr const char* kModes = "stdio, console, pty, unix:PATH, none";
constexpr const char* kUnixNeedsPath = "unix: needs a path after it, like unix:/tmp/guest.sock";

absl::Status Refused(const std::string& why) { return absl::InvalidArgumentError(why); }

// The word before a colon, as in "tcp:1234"; "" where the name does not begin so.
std::string Scheme(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0) return "";
  const std::string word = text.substr(0, colon);
  const bool is_word =
      std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
  return is_word ? word : "";
}

}  // namespace

absl::StatusOr<SerialChoice> ParseSerialChoice(const std::string& text) {
  using Kind = SerialChoice::Kind;
  if (text == "stdio") return SerialChoice{Kind::kStdio};
  if (text == "console") return SerialChoice{Kind::kConsole};
  if (text == "pty") return SerialChoice{Kind::kPty};
  if (text == "none") return SerialChoice{Kind::kNone};
  if (text.empty()) {
    return Refused(fmt::format("names nothing; there are {}, or a file", kModes));
  }
  if (text == "-") return Refused("-: stdout is stdio, which is the default");
  if (text[0] == '-') {
    return Refused(
        fmt::format("what it names is missing before {0}; for a file of that name, ./{0}", text));
  }
  // A slip must not become a file.
  if (text == "unix") return Refused(kUnixNeedsPath);
  if (text.find_first_of("/.:") == std::string::npos) {
    const std::string meant = ButIs(text, {"stdio", "console", "pty", "unix", "none"});
    return Refused(fmt::format("{0} is no mode{1}; for a file of that name, ./{0}", text,
                               meant.empty() ? fmt::format("; there are {}", kModes) : meant));
  }
  const std::string scheme = Scheme(text);
  if (scheme == "unix") {
    const std::string path = text.substr(scheme.size() + 1);
    if (path.empty()) return Refused(kUnixNeedsPath);
    return SerialChoice{Kind::kUnix, path};
  }
  if (!scheme.empty()) {
    return Refused(fmt::format("there is no {}:, only unix:PATH; for a file of that name, ./{}",
                               scheme, text));
  }
  return SerialChoice{Kind::kFile, text};
}

}  // namespace muster::vmm
