#include <algorithm>

#include <muster/vmm/report/text_table.h>

namespace muster::vmm {
namespace {

constexpr size_t kWithoutTerminal = 120;  // columns

// Cells are ASCII, so bytes are columns here.
std::string Cut(const std::string& text, size_t widest, bool keeps_end) {
  if (text.size() <= widest) return text;
  if (keeps_end) return "~" + text.substr(text.size() - (widest - 1));
  return text.substr(0, widest - 1) + "~";
}

}  // namespace

void TextTable::AddRow(std::vector<std::string> cells, Colour colour) {
  for (size_t i = 0; i < cells.size(); ++i) {
    cells[i] = Cut(cells[i], columns_[i].widest, columns_[i].keeps_end);
  }
  rows_.push_back({std::move(cells), colour});
}

// Takes from the widest column of text until all fit, first of those that need not shrink last;
// numbers are not cut.
void TextTable::Narrow(std::vector<size_t>& widths, size_t room) const {
  for (;;) {
    size_t all = 0, widest = columns_.size();
    for (size_t i = 0; i < widths.size(); ++i) {
      all += widths[i] == 0 ? 0 : widths[i] + 2;
      const bool can_shrink =
          columns_[i].align == Align::kLeft && widths[i] > columns_[i].title.size() + 1;
      if (!can_shrink) continue;
      const bool sooner =
          widest == columns_.size() ||
          (columns_[i].shrinks_last != columns_[widest].shrinks_last ? columns_[widest].shrinks_last
                                                                     : widths[i] > widths[widest]);
      if (sooner) widest = i;
    }
    if (all <= room || widest == columns_.size()) return;
    --widths[widest];
  }
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
  const size_t room =
      style.terminal_width > 0 ? static_cast<size_t>(style.terminal_width) : kWithoutTerminal;
  Narrow(widths, room);
  size_t all = 0;
  for (size_t width : widths) all += width == 0 ? 0 : width + 2;
  const std::string_view gap = all <= room ? "  " : " ";  // numbers, which are not cut
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (widths[i] == 0) continue;
      const std::string cell = Cut(cells[i], widths[i], columns_[i].keeps_end);
      const std::string padding(widths[i] - cell.size(), ' ');
      if (!text.empty()) text += gap;
      text += columns_[i].align == Align::kRight ? padding + cell : cell + padding;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  std::string out = "  " + style.Paint(Colour::kBold, line(titles)) + "\n";
  for (const Row& row : rows_) out += "  " + style.Paint(row.colour, line(row.cells)) + "\n";
  return out;
}

}  // namespace muster::vmm
