#include <string_view>

#include <muster/vmm/load/dwarf_file.h>

namespace muster::vmm {
namespace {

// With a section that names a second file libdw would open it, whatever it is: a FIFO, say.
bool NamesAnotherFile(Elf* elf) {
  size_t names = 0;
  if (elf_getshdrstrndx(elf, &names) != 0) return true;
  for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) return true;
    const char* name = elf_strptr(elf, names, header.sh_name);
    if (name != nullptr && std::string_view(name) == ".gnu_debugaltlink") return true;
  }
  return false;
}

}  // namespace

DwarfFile::DwarfFile(const ImageBytes& file) {
  elf_version(EV_CURRENT);
  // Not const for the sake of those who write; reading leaves the bytes alone.
  char* bytes = const_cast<char*>(reinterpret_cast<const char*>(file.all().data()));
  elf_.reset(elf_memory(bytes, file.size()));
  if (elf_ == nullptr || NamesAnotherFile(elf_.get())) return;
  dwarf_.reset(dwarf_begin_elf(elf_.get(), DWARF_C_READ, nullptr));
}

}  // namespace muster::vmm
