#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image_words.h"

namespace muster::vmm::testing {

// Builds small ELF executables, right unless told to be wrong.
struct ElfBuilder {
  struct Segment {
    uint64_t address = 0x100000;
    std::vector<uint8_t> bytes;
    uint64_t memory_size = 0;      // 0: as many as bytes
    uint64_t virtual_address = 0;  // 0: the same as address
    uint32_t type = 1;             // PT_LOAD; 4: PT_NOTE
  };
  struct Symbol {
    std::string name;
    uint64_t address = 0, size = 0;
  };

  bool is_64 = false;
  uint64_t entry = 0x100000;
  std::vector<Segment> segments;
  std::vector<Symbol> symbols;
  std::string description;

  // Header, program headers, segment contents, then the sections. Program header i begins at
  // HeaderOffset(i).
  std::vector<uint8_t> Build() const;
  uint64_t HeaderOffset(size_t index) const { return is_64 ? 64 + 56 * index : 52 + 32 * index; }
};

// A Multiboot header with a right checksum; with addresses where any is given.
std::vector<uint8_t> MultibootHeaderBytes(uint32_t flags,
                                          const std::vector<uint32_t>& addresses = {});

// An ELF32 with two segments, symbols, a note, and a Multiboot header in front of the code.
ElfBuilder GoodImage();

}  // namespace muster::vmm::testing
