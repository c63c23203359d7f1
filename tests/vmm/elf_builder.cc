#include "elf_builder.h"

#include <cstring>
#include <elf.h>

namespace muster::vmm::testing {
namespace {

template <typename T>
void Overwrite(std::vector<uint8_t>& to, uint64_t offset, const T& value) {
  std::memcpy(to.data() + offset, &value, sizeof(T));
}

struct Elf32 {
  using Header = Elf32_Ehdr;
  using Program = Elf32_Phdr;
  using Section = Elf32_Shdr;
  using Symbol = Elf32_Sym;
  using Word = uint32_t;
  static constexpr uint8_t kClass = ELFCLASS32;
  static constexpr uint16_t kMachine = EM_386;
};

struct Elf64 {
  using Header = Elf64_Ehdr;
  using Program = Elf64_Phdr;
  using Section = Elf64_Shdr;
  using Symbol = Elf64_Sym;
  using Word = uint64_t;
  static constexpr uint8_t kClass = ELFCLASS64;
  static constexpr uint16_t kMachine = EM_X86_64;
};

template <typename Elf>
std::vector<uint8_t> BuildAs(const ElfBuilder& builder) {
  using Word = typename Elf::Word;
  std::vector<uint8_t> file(sizeof(typename Elf::Header) +
                            builder.segments.size() * sizeof(typename Elf::Program));
  for (size_t i = 0; i < builder.segments.size(); ++i) {
    const ElfBuilder::Segment& segment = builder.segments[i];
    typename Elf::Program program{};
    program.p_type = segment.type;
    program.p_offset = static_cast<Word>(file.size());
    program.p_paddr = static_cast<Word>(segment.address);
    program.p_vaddr =
        static_cast<Word>(segment.virtual_address ? segment.virtual_address : segment.address);
    program.p_filesz = static_cast<Word>(segment.bytes.size());
    program.p_memsz =
        static_cast<Word>(segment.memory_size ? segment.memory_size : segment.bytes.size());
    Append(file, segment.bytes);
    Overwrite(file, builder.HeaderOffset(i), program);
  }

  std::vector<typename Elf::Section> sections(1);
  const auto add_section = [&](uint32_t type, const std::vector<uint8_t>& bytes) {
    typename Elf::Section section{};
    section.sh_type = type;
    section.sh_offset = static_cast<Word>(file.size());
    section.sh_size = static_cast<Word>(bytes.size());
    Append(file, bytes);
    sections.push_back(section);
  };
  std::vector<uint8_t> strings(1), table(sizeof(typename Elf::Symbol));
  for (const ElfBuilder::Symbol& symbol : builder.symbols) {
    typename Elf::Symbol entry{};
    entry.st_name = static_cast<uint32_t>(strings.size());
    entry.st_info = ELF32_ST_INFO(STB_GLOBAL, symbol.size ? STT_FUNC : STT_NOTYPE);
    entry.st_shndx = 1;
    entry.st_value = static_cast<Word>(symbol.address);
    entry.st_size = static_cast<Word>(symbol.size);
    AppendValue(table, entry);
    strings.insert(strings.end(), symbol.name.c_str(),
                   symbol.name.c_str() + symbol.name.size() + 1);
  }
  add_section(SHT_STRTAB, strings);
  add_section(SHT_SYMTAB, table);
  sections.back().sh_link = 1;
  sections.back().sh_entsize = sizeof(typename Elf::Symbol);
  if (!builder.description.empty()) {
    std::vector<uint8_t> note;
    AppendValue(note, uint32_t{7});
    AppendValue(note, static_cast<uint32_t>(builder.description.size() + 1));
    AppendValue(note, uint32_t{1});
    Append(note, {'M', 'u', 's', 't', 'e', 'r', 0, 0});
    note.insert(note.end(), builder.description.begin(), builder.description.end());
    note.push_back(0);
    add_section(SHT_NOTE, note);
  }
  const size_t section_table = file.size();
  for (const auto& section : sections) AppendValue(file, section);

  typename Elf::Header header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = Elf::kClass;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = Elf::kMachine;
  header.e_version = EV_CURRENT;
  header.e_entry = static_cast<Word>(builder.entry);
  header.e_phoff = sizeof(header);
  header.e_shoff = static_cast<Word>(section_table);
  header.e_ehsize = sizeof(header);
  header.e_phentsize = sizeof(typename Elf::Program);
  header.e_phnum = static_cast<uint16_t>(builder.segments.size());
  header.e_shentsize = sizeof(typename Elf::Section);
  header.e_shnum = static_cast<uint16_t>(sections.size());
  Overwrite(file, 0, header);
  return file;
}

}  // namespace

std::vector<uint8_t> ElfBuilder::Build() const {
  return is_64 ? BuildAs<Elf64>(*this) : BuildAs<Elf32>(*this);
}

std::vector<uint8_t> MultibootHeaderBytes(uint32_t flags, const std::vector<uint32_t>& addresses) {
  std::vector<uint8_t> bytes;
  AppendValue(bytes, uint32_t{0x1badb002});
  AppendValue(bytes, flags);
  AppendValue(bytes, uint32_t{0} - 0x1badb002 - flags);
  for (uint32_t address : addresses) AppendValue(bytes, address);
  return bytes;
}

ElfBuilder GoodImage() {
  ElfBuilder image;
  std::vector<uint8_t> code = MultibootHeaderBytes(3);
  Append(code, {0xfa, 0xf4, 0xeb, 0xfd});  // 1: cli; hlt; jmp 1b
  image.entry = 0x10000c;
  image.segments = {{.address = 0x100000, .bytes = code},
                    {.address = 0x102000, .bytes = {1, 2, 3, 4}, .memory_size = 0x3000}};
  image.symbols = {{"start", 0x10000c, 0}, {"table", 0x102000, 4}};
  image.description = "does nothing";
  return image;
}

}  // namespace muster::vmm::testing
