#include <algorithm>
#include <elf.h>
#include <fmt/format.h>

#include <muster/vmm/load/elf.h>
#include <muster/vmm/load/elf_sections.h>
#include <muster/vmm/load/symbols.h>

namespace muster::vmm {
namespace {

constexpr size_t kLongestName = 256;

std::string NameAt(std::span<const uint8_t> strings, uint64_t offset) {
  if (offset >= strings.size()) return "";
  const std::span<const uint8_t> name =
      strings.subspan(offset, std::min(kLongestName, strings.size() - offset));
  return std::string(name.begin(), std::find(name.begin(), name.end(), 0));
}

// A function, or a label that no type was given, as assembly has, in a section.
template <typename Symbol>
bool IsCode(const Symbol& symbol) {
  const uint8_t type = ELF32_ST_TYPE(symbol.st_info);
  return (type == STT_FUNC || type == STT_NOTYPE) && symbol.st_shndx != SHN_UNDEF &&
         symbol.st_shndx < SHN_LORESERVE;
}

template <typename Symbol>
std::vector<SymbolTable::Symbol> ReadTable(std::span<const uint8_t> table,
                                           std::span<const uint8_t> strings) {
  std::vector<SymbolTable::Symbol> symbols;
  for (size_t at = 0; at + sizeof(Symbol) <= table.size(); at += sizeof(Symbol)) {
    Symbol symbol;
    std::memcpy(&symbol, table.data() + at, sizeof(symbol));
    if (!IsCode(symbol)) continue;
    std::string name = NameAt(strings, symbol.st_name);
    if (!name.empty()) symbols.push_back({symbol.st_value, symbol.st_size, std::move(name)});
  }
  return symbols;
}

}  // namespace

SymbolTable::SymbolTable(std::vector<Symbol> symbols, uint64_t end)
    : symbols_(std::move(symbols)), end_(end) {
  // Of several at one address the largest, a function rather than a label, comes last and is found.
  std::stable_sort(symbols_.begin(), symbols_.end(), [](const Symbol& a, const Symbol& b) {
    return a.address != b.address ? a.address < b.address : a.size < b.size;
  });
}

bool SymbolTable::Has(const std::string& name) const {
  return std::any_of(symbols_.begin(), symbols_.end(), [&](const Symbol& symbol) {
    return symbol.name.substr(0, symbol.name.find('.')) == name;
  });
}

std::string SymbolTable::Name(uint64_t address) const {
  if (address >= end_) return "";
  const auto above =
      std::upper_bound(symbols_.begin(), symbols_.end(), address,
                       [](uint64_t value, const Symbol& symbol) { return value < symbol.address; });
  if (above == symbols_.begin()) return "";
  const Symbol& symbol = *std::prev(above);
  const uint64_t offset = address - symbol.address;
  if (symbol.size != 0 && offset >= symbol.size) return "";
  return offset == 0 ? symbol.name : fmt::format("{}+{:#x}", symbol.name, offset);
}

SymbolTable ReadSymbols(const ImageBytes& file) {
  const absl::StatusOr<ElfImage> image = ParseElf(file);
  if (!image.ok()) return {};
  uint64_t end = 0;
  for (const ElfSegment& segment : image->segments) {
    end = std::max(end, segment.virtual_address + segment.memory_size);
  }
  const std::vector<ElfSection> sections = ReadSections(file);
  for (const ElfSection& section : sections) {
    const size_t symbol_size = image->is_64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
    if (section.type != SHT_SYMTAB || section.entry_size != symbol_size ||
        section.link >= sections.size()) {
      continue;
    }
    const ElfSection& names = sections[section.link];
    auto table = file.At(section.offset, section.size, "symbol table");
    auto strings = file.At(names.offset, names.size, "string table");
    if (!table.ok() || !strings.ok()) continue;
    return SymbolTable(image->is_64 ? ReadTable<Elf64_Sym>(*table, *strings)
                                    : ReadTable<Elf32_Sym>(*table, *strings),
                       end);
  }
  return {};
}

}  // namespace muster::vmm
