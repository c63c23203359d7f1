#include <algorithm>
#include <fmt/format.h>

#include <muster/vmm/cli/two_columns.h>

namespace muster::vmm {

std::string TwoColumns(const std::vector<std::pair<std::string, std::string>>& lines) {
  size_t width = 0;
  for (const auto& [first, second] : lines) width = std::max(width, first.size());
  std::string text;
  for (const auto& [first, second] : lines) {
    text += fmt::format("{:<{}}  {}\n", first, width, second);
  }
  return text;
}

}  // namespace muster::vmm
