#pragma once

#include <absl/status/status.h>
#include <string>
#include <string_view>
#include <vector>

namespace muster::vmm {

// A line of a script or signature, cut into words.
struct TextLine {
  std::string file;
  int number = 0;
  std::vector<std::string> words;  // at least one

  // InvalidArgument: "FILE:LINE: what".
  absl::Status Refuse(const std::string& what) const;
};

// The lines that hold more than a comment, which begins with '#' at the start of a line or after
// " # "; words are separated by blanks. Bytes that do not print become '?'.
std::vector<TextLine> CutIntoLines(const std::string& file, std::string_view text);

}  // namespace muster::vmm
