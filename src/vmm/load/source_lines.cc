#include <algorithm>
#include <fmt/format.h>
#include <string_view>

#include <muster/vmm/load/dwarf_file.h>
#include <muster/vmm/load/elf.h>
#include <muster/vmm/load/source_lines.h>

namespace muster::vmm {
namespace {

constexpr size_t kLongestName = 64;

// The file's name without directories, as it may go to a terminal.
std::string Describe(const char* path, int line) {
  std::string_view name(path);
  name.remove_prefix(name.rfind('/') + 1);  // npos + 1 is 0
  std::string text(name.substr(0, kLongestName));
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return fmt::format("{}:{}", text, line);
}

// A row of the line table covers the addresses up to the next row of its sequence.
// `lowest`: of the image. Functions that the linker dropped keep their lines, from 0 on, and what
// is sorted behind them is not theirs.
void ReadUnit(Dwarf_Die& unit, const std::vector<uint64_t>& wanted, uint64_t lowest,
              SourceLines& found) {
  Dwarf_Lines* lines = nullptr;
  size_t count = 0;
  if (dwarf_getsrclines(&unit, &lines, &count) != 0) return;
  for (size_t i = 0; i + 1 < count; ++i) {
    Dwarf_Line* line = dwarf_onesrcline(lines, i);
    Dwarf_Addr begin = 0, end = 0;
    bool ends_sequence = true;
    int number = 0;
    if (dwarf_lineaddr(line, &begin) != 0 ||
        dwarf_lineaddr(dwarf_onesrcline(lines, i + 1), &end) != 0 ||
        dwarf_lineendsequence(line, &ends_sequence) != 0 || ends_sequence || begin >= end ||
        begin < lowest || dwarf_lineno(line, &number) != 0 || number <= 0) {
      continue;
    }
    auto at = std::lower_bound(wanted.begin(), wanted.end(), begin);
    if (at == wanted.end() || *at >= end) continue;
    const char* path = dwarf_linesrc(line, nullptr, nullptr);
    if (path == nullptr) continue;
    for (; at != wanted.end() && *at < end; ++at) found[*at] = Describe(path, number);
  }
}

}  // namespace

SourceLines ReadSourceLines(const ImageBytes& file, const std::vector<uint64_t>& addresses) {
  SourceLines found;
  const absl::StatusOr<ElfImage> image = ParseElf(file);
  if (!image.ok()) return found;
  uint64_t lowest = UINT64_MAX;
  for (const ElfSegment& segment : image->segments) {
    if (segment.memory_size != 0) lowest = std::min(lowest, segment.virtual_address);
  }
  std::vector<uint64_t> wanted;
  for (uint64_t address : addresses) {
    for (const ElfSegment& segment : image->segments) {
      if (address - segment.virtual_address < segment.memory_size) wanted.push_back(address);
    }
  }
  if (wanted.empty()) return found;
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());

  DwarfFile dwarf(file);
  if (dwarf.get() == nullptr) return found;
  Dwarf_CU* unit = nullptr;
  Dwarf_Die die;
  while (dwarf_get_units(dwarf.get(), unit, &unit, nullptr, nullptr, &die, nullptr) == 0) {
    const bool holds_one = std::any_of(wanted.begin(), wanted.end(), [&die](uint64_t address) {
      return dwarf_haspc(&die, address) > 0;
    });
    if (holds_one) ReadUnit(die, wanted, lowest, found);
  }
  return found;
}

}  // namespace muster::vmm
