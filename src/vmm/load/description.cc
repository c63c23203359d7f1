#include <algorithm>
#include <elf.h>
#include <string_view>

#include <muster/vmm/load/description.h>
#include <muster/vmm/load/elf_sections.h>

namespace muster::vmm {
namespace {

constexpr std::string_view kOwner("Muster\0", 7);
constexpr uint32_t kDescription = 1;

uint64_t RoundUp4(uint64_t size) { return (size + 3) & ~uint64_t{3}; }

}  // namespace

std::string ReadDescription(const ImageBytes& file) {
  for (const ElfSection& section : ReadSections(file)) {
    if (section.type != SHT_NOTE) continue;
    auto bytes = file.At(section.offset, section.size, "note section");
    if (!bytes.ok()) continue;
    const ImageBytes notes(file.name(), *bytes);
    // The first note only; the section is this project's own.
    auto header = notes.Read<Elf32_Nhdr>(0, "note");
    if (!header.ok() || header->n_type != kDescription) continue;
    auto owner = notes.At(sizeof(*header), header->n_namesz, "note name");
    if (!owner.ok() || !std::equal(owner->begin(), owner->end(), kOwner.begin(), kOwner.end())) {
      continue;
    }
    auto text =
        notes.At(sizeof(*header) + RoundUp4(header->n_namesz), header->n_descsz, "note contents");
    if (text.ok()) return std::string(text->begin(), std::find(text->begin(), text->end(), 0));
  }
  return "";
}

}  // namespace muster::vmm
