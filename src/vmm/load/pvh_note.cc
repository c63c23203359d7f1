#include <algorithm>
#include <elf.h>
#include <string_view>

#include <muster/vmm/load/pvh_note.h>

namespace muster::vmm {
namespace {

constexpr std::string_view kOwner("Xen\0", 4);
constexpr uint32_t kPhys32Entry = 18;

uint64_t RoundUp4(uint64_t size) { return (size + 3) & ~uint64_t{3}; }

// Both classes have notes of the same form.
static_assert(sizeof(Elf32_Nhdr) == sizeof(Elf64_Nhdr));

absl::StatusOr<std::optional<uint32_t>> FindInSegment(const ImageBytes& file, uint64_t begin,
                                                      uint64_t size) {
  if (auto all = file.At(begin, size, "note segment"); !all.ok()) return all.status();
  for (uint64_t at = 0; at + sizeof(Elf64_Nhdr) <= size;) {
    auto header = file.Read<Elf64_Nhdr>(begin + at, "note");
    if (!header.ok()) return header.status();
    const uint64_t name = at + sizeof(*header);
    const uint64_t contents = name + RoundUp4(header->n_namesz);
    const uint64_t next = contents + RoundUp4(header->n_descsz);
    if (next > RoundUp4(size)) return file.Refuse(begin + at, "note ends past its segment");
    if (header->n_type == kPhys32Entry) {
      auto owner = file.At(begin + name, header->n_namesz, "note name");
      if (!owner.ok()) return owner.status();
      if (std::equal(owner->begin(), owner->end(), kOwner.begin(), kOwner.end())) {
        // 4 or 8 bytes, of which 4 matter.
        if (header->n_descsz < sizeof(uint32_t)) {
          return file.Refuse(begin + at, "the PVH entry note has no 32-bit address");
        }
        auto entry = file.Read<uint32_t>(begin + contents, "PVH entry note");
        if (!entry.ok()) return entry.status();
        return std::optional<uint32_t>(*entry);
      }
    }
    at = next;
  }
  return std::optional<uint32_t>();
}

template <typename Header, typename ProgramHeader>
absl::StatusOr<std::optional<uint32_t>> Find(const ImageBytes& file) {
  auto header = file.Read<Header>(0, "ELF header");
  if (!header.ok()) return header.status();
  for (uint64_t i = 0; i < header->e_phnum; ++i) {
    auto program =
        file.Read<ProgramHeader>(header->e_phoff + i * sizeof(ProgramHeader), "program header");
    if (!program.ok()) return program.status();
    if (program->p_type != PT_NOTE) continue;
    auto entry = FindInSegment(file, program->p_offset, program->p_filesz);
    if (!entry.ok() || *entry) return entry;
  }
  return std::optional<uint32_t>();
}

}  // namespace

absl::StatusOr<std::optional<uint32_t>> FindPvhEntry(const ImageBytes& file) {
  auto elf_class = file.Read<uint8_t>(EI_CLASS, "ELF identification");
  if (!elf_class.ok()) return elf_class.status();
  return *elf_class == ELFCLASS64 ? Find<Elf64_Ehdr, Elf64_Phdr>(file)
                                  : Find<Elf32_Ehdr, Elf32_Phdr>(file);
}

}  // namespace muster::vmm
