#pragma once

#include <string>
#include <vector>

namespace muster::bench {

struct FirstLine {
  double first_byte;  // seconds from before the process was made
  double complete;    // and to the end of the line
  std::string text;
};

// Runs a program until it has put out a line, and kills it. No line: this process ends.
FirstLine AwaitLine(const std::vector<std::string>& arguments);

// Whether a program of this name is on PATH.
bool IsInstalled(const std::string& program);

}  // namespace muster::bench
