#include <algorithm>
#include <elf.h>
#include <fmt/format.h>

#include <muster/vmm/load/elf.h>

namespace muster::vmm {
namespace {

struct Class32 {
  using Header = Elf32_Ehdr;
  using ProgramHeader = Elf32_Phdr;
  static constexpr uint16_t kMachine = EM_386;
  static constexpr const char* kMachineRule = "a 32-bit image must be for the i386 (e_machine 3)";
  static constexpr uint64_t kAddressEnd = UINT32_MAX;
};

struct Class64 {
  using Header = Elf64_Ehdr;
  using ProgramHeader = Elf64_Phdr;
  static constexpr uint16_t kMachine = EM_X86_64;
  static constexpr const char* kMachineRule = "a 64-bit image must be for x86-64 (e_machine 62)";
  static constexpr uint64_t kAddressEnd = UINT64_MAX;
};

template <typename Class>
absl::StatusOr<ElfSegment> ParseSegment(const ImageBytes& file, uint64_t offset,
                                        const typename Class::ProgramHeader& header) {
  ElfSegment segment{
      .header_offset = offset,
      .file_offset = header.p_offset,
      .file_size = header.p_filesz,
      .virtual_address = header.p_vaddr,
      .physical_address = header.p_paddr,
      .memory_size = header.p_memsz,
  };
  if (segment.file_size > segment.memory_size) {
    return file.Refuse(offset, fmt::format("segment has more bytes in the file ({:#x}) than in "
                                           "memory ({:#x})",
                                           segment.file_size, segment.memory_size));
  }
  if (auto bytes = file.At(segment.file_offset, segment.file_size, "segment"); !bytes.ok()) {
    return bytes.status();
  }
  for (uint64_t address : {segment.virtual_address, segment.physical_address}) {
    if (segment.memory_size > Class::kAddressEnd - address) {
      return file.Refuse(offset, fmt::format("segment at {:#x} of {:#x} bytes wraps", address,
                                             segment.memory_size));
    }
  }
  return segment;
}

absl::Status RefuseOverlap(const ImageBytes& file, const std::vector<ElfSegment>& sorted) {
  for (size_t i = 1; i < sorted.size(); ++i) {
    const ElfSegment& below = sorted[i - 1];
    if (below.physical_address + below.memory_size > sorted[i].physical_address) {
      return file.Refuse(
          sorted[i].header_offset,
          fmt::format("segment at physical {:#x} overlaps the one at {:#x} of {:#x} bytes",
                      sorted[i].physical_address, below.physical_address, below.memory_size));
    }
  }
  return absl::OkStatus();
}

template <typename Class>
absl::StatusOr<ElfImage> Parse(const ImageBytes& file) {
  using Header = typename Class::Header;
  using ProgramHeader = typename Class::ProgramHeader;

  absl::StatusOr<Header> header = file.Read<Header>(0, "ELF header");
  if (!header.ok()) return header.status();
  if (header->e_ident[EI_DATA] != ELFDATA2LSB) {
    return file.Refuse(EI_DATA, "an x86 image is little-endian (EI_DATA 1)");
  }
  if (header->e_ident[EI_VERSION] != EV_CURRENT || header->e_version != EV_CURRENT) {
    return file.Refuse(EI_VERSION, "the ELF version must be 1");
  }
  if (header->e_machine != Class::kMachine) {
    return file.Refuse(offsetof(Header, e_machine), Class::kMachineRule);
  }
  if (header->e_type != ET_EXEC) {
    return file.Refuse(offsetof(Header, e_type),
                       "only an executable that is linked to its addresses (ET_EXEC) can start: "
                       "no object file, no position-independent one");
  }
  if (header->e_phnum == 0 || header->e_phnum == PN_XNUM) {
    return file.Refuse(offsetof(Header, e_phnum), "an image has 1 to 65,534 program headers");
  }
  if (header->e_phentsize != sizeof(ProgramHeader)) {
    return file.Refuse(offsetof(Header, e_phentsize),
                       fmt::format("a program header has {} bytes, not {}", sizeof(ProgramHeader),
                                   header->e_phentsize));
  }
  const uint64_t table_size = uint64_t{header->e_phnum} * sizeof(ProgramHeader);
  if (auto table = file.At(header->e_phoff, table_size, "program header table"); !table.ok()) {
    return table.status();
  }

  ElfImage image;
  image.is_64 = sizeof(Header) == sizeof(Elf64_Ehdr);
  image.entry = header->e_entry;
  for (uint64_t i = 0; i < header->e_phnum; ++i) {
    const uint64_t offset = header->e_phoff + i * sizeof(ProgramHeader);
    absl::StatusOr<ProgramHeader> program = file.Read<ProgramHeader>(offset, "program header");
    if (!program.ok()) return program.status();
    if (program->p_type == PT_INTERP || program->p_type == PT_DYNAMIC) {
      return file.Refuse(offset, "the image is dynamically linked, and nothing here could link it");
    }
    if (program->p_type != PT_LOAD || program->p_memsz == 0) continue;
    absl::StatusOr<ElfSegment> segment = ParseSegment<Class>(file, offset, *program);
    if (!segment.ok()) return segment.status();
    image.segments.push_back(*segment);
  }
  if (image.segments.empty()) {
    return file.Refuse(header->e_phoff, "no program header loads anything (PT_LOAD)");
  }
  std::sort(image.segments.begin(), image.segments.end(),
            [](const ElfSegment& a, const ElfSegment& b) {
              return a.physical_address < b.physical_address;
            });
  if (absl::Status status = RefuseOverlap(file, image.segments); !status.ok()) return status;
  return image;
}

}  // namespace

absl::StatusOr<uint64_t> ElfImage::ToPhysical(const ImageBytes& file, uint64_t address) const {
  for (const ElfSegment& segment : segments) {
    const uint64_t offset = address - segment.virtual_address;
    if (address >= segment.virtual_address && offset < segment.memory_size) {
      return segment.physical_address + offset;
    }
  }
  return file.Refuse(offsetof(Elf64_Ehdr, e_entry),
                     fmt::format("the entry point {:#x} is in no segment", address));
}

bool IsElf(const ImageBytes& file) {
  return file.size() >= SELFMAG && std::memcmp(file.all().data(), ELFMAG, SELFMAG) == 0;
}

absl::StatusOr<ElfImage> ParseElf(const ImageBytes& file) {
  absl::StatusOr<std::span<const uint8_t>> ident = file.At(0, EI_NIDENT, "ELF identification");
  if (!ident.ok()) return ident.status();
  if (!IsElf(file)) return file.Refuse(0, "an ELF file begins with 7f 45 4c 46");
  switch ((*ident)[EI_CLASS]) {
    case ELFCLASS32:
      return Parse<Class32>(file);
    case ELFCLASS64:
      return Parse<Class64>(file);
    default:
      return file.Refuse(EI_CLASS, "EI_CLASS must be 1 (32-bit) or 2 (64-bit)");
  }
}

}  // namespace muster::vmm
