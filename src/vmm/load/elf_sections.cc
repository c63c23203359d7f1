#include <elf.h>

#include <muster/vmm/load/elf.h>
#include <muster/vmm/load/elf_sections.h>

namespace muster::vmm {
namespace {

template <typename Header, typename Section>
std::vector<ElfSection> Read(const ImageBytes& file) {
  std::vector<ElfSection> sections;
  absl::StatusOr<Header> header = file.Read<Header>(0, "ELF header");
  if (!header.ok() || header->e_shentsize != sizeof(Section)) return sections;
  // The whole table lies in the file, so the sums below can't wrap.
  if (!file.At(header->e_shoff, uint64_t{header->e_shnum} * sizeof(Section), "").ok()) {
    return sections;
  }
  for (uint64_t i = 0; i < header->e_shnum; ++i) {
    auto section = file.Read<Section>(header->e_shoff + i * sizeof(Section), "section header");
    if (!section.ok()) return {};
    sections.push_back({section->sh_type, section->sh_link, section->sh_offset, section->sh_size,
                        section->sh_entsize});
  }
  return sections;
}

}  // namespace

std::vector<ElfSection> ReadSections(const ImageBytes& file) {
  if (!IsElf(file) || file.size() <= EI_CLASS) return {};
  return file.all()[EI_CLASS] == ELFCLASS64 ? Read<Elf64_Ehdr, Elf64_Shdr>(file)
                                            : Read<Elf32_Ehdr, Elf32_Shdr>(file);
}

}  // namespace muster::vmm
