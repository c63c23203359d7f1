#include <algorithm>

#include <muster/vmm/report/text_table.h>

namespace muster::vmm {
namespace {

// Cells are ASCII, so bytes are columns here.
std::string Cut(const std::string& text, size_t widest) {
  if (text.size() <= widest) return text;
  return text.substr(0, widest - 1) + "~";
}

}  // namespace

void TextTable::AddRow(std::vector<std::string> cells, Colour colour) {
  for (size_t i = 0; i < cells.size(); ++i) cells[i] = Cut(cells[i], columns_[i].widest);
  rows_.push_back({std::move(cells), colour});
}

std::string TextTable::Render(const Style& style) const {
  std::vector<size_t> widths;
  std::vector<std::string> titles;
  for (size_t i = 0; i < columns_.size(); ++i) {
    size_t width = columns_[i].title.size();
    for (const Row& row : rows_) width = std::max(width, row.cells[i].size());
    widths.push_back(width);
    titles.push_back(columns_[i].title);
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string padding(widths[i] - cells[i].size(), ' ');
      if (i > 0) text += "  ";
      text += columns_[i].align == Align::kRight ? padding + cells[i] : cells[i] + padding;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  std::string out = "  " + style.Paint(Colour::kBold, line(titles)) + "\n";
  for (const Row& row : rows_) out += "  " + style.Paint(row.colour, line(row.cells)) + "\n";
  return out;
}

}  // namespace muster::vmm
