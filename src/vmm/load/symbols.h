#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <muster/vmm/load/image_bytes.h>

namespace muster::vmm {

// Names for addresses, for reports.
class SymbolTable {
 public:
  struct Symbol {
    uint64_t address;
    uint64_t size;  // 0: up to the next symbol
    std::string name;
  };

  SymbolTable() = default;
  // No address at or past `end` has a name.
  SymbolTable(std::vector<Symbol> symbols, uint64_t end);

  // "name+0x1c", "name", or "" where no symbol covers the address.
  std::string Name(uint64_t address) const;

  // Whether there is a function of that name, or what the compiler made of it: "name.part.0", which
  // is no name of a function itself.
  bool Has(const std::string& name) const;

  bool empty() const { return symbols_.empty(); }

 private:
  std::vector<Symbol> symbols_;  // by address
  uint64_t end_ = 0;
};

// The code symbols of an ELF file; empty where it has none, or where they are damaged: an image
// runs without.
SymbolTable ReadSymbols(const ImageBytes& file);

}  // namespace muster::vmm
