#pragma once

#include <string>
#include <vector>

#include <muster/vmm/report/style.h>

namespace muster::vmm {

// Lines up rows of cells. A cell longer than its column allows is cut, with a mark.
class TextTable {
 public:
  enum class Align { kLeft, kRight };

  struct Column {
    std::string title;
    Align align = Align::kLeft;
    size_t widest = 40;         // columns of the terminal
    bool keeps_end = false;     // a cell that is too long loses its beginning
    bool shrinks_last = false;  // only where nothing can be taken from the others any more
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // As many cells as there are columns.
  void AddRow(std::vector<std::string> cells, Colour colour = Colour::kNone);

  // Each line ends with a newline and begins with two spaces. As wide as the terminal at most,
  // elsewhere 120 columns; where numbers do not fit, one space is between them instead of two. A
  // column without title and contents is left out.
  std::string Render(const Style& style) const;

 private:
  void Narrow(std::vector<size_t>& widths, size_t room) const;

  struct Row {
    std::vector<std::string> cells;
    Colour colour;
  };
  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

}  // namespace muster::vmm
