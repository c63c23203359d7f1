#pragma once

#include <string>
#include <string_view>

namespace muster::vmm {

enum class Colour { kNone, kBold, kDim, kRed, kGreen, kYellow, kBlue, kCyan };

// How a report may look where it goes to.
struct Style {
  bool colour = false;
  bool unicode = false;
  int width = 80;  // columns

  std::string Paint(Colour with, std::string_view text) const;
};

// Columns that UTF-8 text takes on a terminal, for the characters that reports use: one each.
size_t DisplayWidth(std::string_view text);

}  // namespace muster::vmm
