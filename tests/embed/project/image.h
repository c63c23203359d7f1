// A Multiboot ELF32 file in guest memory, as a loader leaves it.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include <muster/vcpu/run/start_state.h>

// `command_line` goes to 0x9100. Ends the process where the file is none.
inline muster::vcpu::StartState LoadImage(const std::string& path, const std::string& command_line,
                                          std::span<uint8_t> ram) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> image(std::istreambuf_iterator<char>(file), {});
  Elf32_Ehdr elf{};
  if (image.size() < sizeof(elf)) std::exit(2);
  std::memcpy(&elf, image.data(), sizeof(elf));
  for (int i = 0; i < elf.e_phnum; ++i) {
    Elf32_Phdr part;
    std::memcpy(&part, &image.at(elf.e_phoff + i * elf.e_phentsize), sizeof(part));
    if (part.p_type != PT_LOAD || part.p_memsz == 0) continue;
    if (uint64_t{part.p_paddr} + part.p_memsz > ram.size()) std::exit(2);
    std::memset(&ram[part.p_paddr], 0, part.p_memsz);
    if (part.p_filesz != 0)
      std::memcpy(&ram[part.p_paddr], &image.at(part.p_offset), part.p_filesz);
  }
  const std::string words = path + " " + command_line;
  std::memcpy(&ram[0x9100], words.c_str(), words.size() + 1);
  const auto upper = static_cast<uint32_t>(ram.size() / 1024 - 1024);
  const uint32_t information[] = {5, 640, upper, 0, 0x9100};
  std::memcpy(&ram[0x9000], information, sizeof(information));
  muster::vcpu::StartState start;
  start.rip = elf.e_entry;
  start.rax = 0x2badb002;
  start.rbx = 0x9000;
  return start;
}
