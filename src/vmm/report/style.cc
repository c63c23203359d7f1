#include <algorithm>
#include <fmt/format.h>

#include <muster/vmm/report/style.h>

namespace muster::vmm {
namespace {

// ECMA-48, "SGR - Select Graphic Rendition".
int Code(Colour colour) {
  switch (colour) {
    case Colour::kNone:
      return 0;
    case Colour::kBold:
      return 1;
    case Colour::kDim:
      return 2;
    case Colour::kRed:
      return 31;
    case Colour::kGreen:
      return 32;
    case Colour::kYellow:
      return 33;
    case Colour::kBlue:
      return 34;
    case Colour::kCyan:
      return 36;
  }
  return 0;
}

}  // namespace

std::string Style::Paint(Colour with, std::string_view text) const {
  if (!colour || with == Colour::kNone || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", Code(with), text);
}

size_t DisplayWidth(std::string_view text) {
  // Every byte but those that continue a character.
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string FormatDuration(uint64_t ns) {
  const auto value = static_cast<double>(ns);
  if (ns < 1'000'000) return fmt::format("{:.3g} us", value / 1e3);
  if (ns < 1'000'000'000) return fmt::format("{:.3g} ms", value / 1e6);
  return fmt::format("{:.{}f} s", value / 1e9, ns < 10'000'000'000 ? 2 : 1);
}

}  // namespace muster::vmm
