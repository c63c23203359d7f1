#pragma once

#include <elfutils/libdw.h>
#include <memory>

#include <muster/vmm/load/image_bytes.h>

namespace muster::vmm {

// The DWARF of an ELF file that nobody vouches for. Opens no file that it names.
class DwarfFile {
 public:
  // `file` lasts as long as this.
  explicit DwarfFile(const ImageBytes& file);

  // Null: none, or damaged.
  Dwarf* get() { return dwarf_.get(); }

 private:
  struct Closer {
    void operator()(Elf* elf) const { elf_end(elf); }
    void operator()(Dwarf* dwarf) const { dwarf_end(dwarf); }
  };
  std::unique_ptr<Elf, Closer> elf_;
  std::unique_ptr<Dwarf, Closer> dwarf_;
};

}  // namespace muster::vmm
