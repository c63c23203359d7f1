#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace muster::vmm {

enum class Colour { kNone, kBold, kDim, kRed, kGreen, kYellow, kBlue, kCyan };

// How a report may look where it goes to.
struct Style {
  bool colour = false;
  bool unicode = false;
  int terminal_width = 0;  // columns; 0: no terminal

  std::string Paint(Colour with, std::string_view text) const;
};

// Columns that UTF-8 text takes on a terminal, for the characters that reports use: one each.
size_t DisplayWidth(std::string_view text);

// Three digits and a unit: "482 us", "12.3 ms", "1.23 s".
std::string FormatDuration(uint64_t ns);

}  // namespace muster::vmm
