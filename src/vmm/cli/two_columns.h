#pragma once

#include <string>
#include <utility>
#include <vector>

namespace muster::vmm {

// A line for each pair, the second words one below the other: for stdout, and for other programs.
std::string TwoColumns(const std::vector<std::pair<std::string, std::string>>& lines);

}  // namespace muster::vmm
