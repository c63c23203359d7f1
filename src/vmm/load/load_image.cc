#include <fmt/format.h>

#include <muster/vmm/load/boot_info.h>
#include <muster/vmm/load/elf.h>
#include <muster/vmm/load/load_image.h>
#include <muster/vmm/load/long_mode.h>
#include <muster/vmm/load/multiboot.h>

namespace muster::vmm {
namespace {

// Copies file bytes to RAM below the hole, where 32-bit addresses and the identity map reach. The
// zeros after them are there already.
absl::Status Put(const ImageBytes& file, uint64_t rule_offset, uint64_t file_offset,
                 uint64_t file_size, uint64_t address, uint64_t memory_size, Placement& placement,
                 GuestMemory& memory) {
  if (address > memory.low_end() || memory_size > memory.low_end() - address) {
    return file.Refuse(
        rule_offset,
        fmt::format("{:#x} bytes at {:#x} do not lie in guest memory, which ends at {:#x}{}",
                    memory_size, address, memory.low_end(),
                    memory.low_end() < GuestMemory::kHoleBegin ? "; give more with --memory" : ""));
  }
  auto bytes = file.At(file_offset, file_size, "segment");
  if (!bytes.ok()) return bytes.status();
  placement.Take(address, memory_size);
  return memory.Write(address, *bytes);
}

absl::StatusOr<uint64_t> PutElf(const ImageBytes& file, const ElfImage& elf, Placement& placement,
                                GuestMemory& memory) {
  for (const ElfSegment& segment : elf.segments) {
    absl::Status status = Put(file, segment.header_offset, segment.file_offset, segment.file_size,
                              segment.physical_address, segment.memory_size, placement, memory);
    if (!status.ok()) return status;
  }
  return elf.ToPhysical(file, elf.entry);
}

// How far the loading has come.
struct Layout {
  uint64_t entry = 0;  // physical
  uint64_t image_end = 0;
  uint64_t usable_low_end = 0;  // the rest below the hole is the loader's
};

absl::StatusOr<uint32_t> PutBootInfo(const LoadRequest& request, const Layout& layout,
                                     Placement& placement, GuestMemory& memory) {
  BootInfo info;
  info.command_line = request.image.name();
  if (!request.arguments.empty()) info.command_line += " " + request.arguments;
  if (request.initrd) info.modules.push_back({request.initrd->name(), request.initrd->all()});
  info.image_end = layout.image_end;
  info.usable_low_end = layout.usable_low_end;
  return WriteBootInfo(info, placement, memory);
}

absl::StatusOr<vcpu::StartState> StartProtected(const LoadRequest& request, const Layout& layout,
                                                Placement& placement, GuestMemory& memory) {
  auto info = PutBootInfo(request, layout, placement, memory);
  if (!info.ok()) return info.status();
  vcpu::StartState start;
  start.mode = vcpu::StartState::Mode::kProtected32;
  start.rip = layout.entry;
  start.rax = kMultibootLoaderMagic;
  start.rbx = *info;
  return start;
}

absl::StatusOr<vcpu::StartState> StartLong(const LoadRequest& request, Layout layout,
                                           Placement& placement, GuestMemory& memory) {
  const uint64_t base = memory.low_end() - LongModeTables::kBytes;
  if (base < layout.image_end) {
    return absl::ResourceExhaustedError(
        fmt::format("{}: page tables, GDT and stack of a 64-bit start ({} bytes) do not fit above "
                    "the image, which ends at {:#x}; give more with --memory",
                    request.image.name(), LongModeTables::kBytes, layout.image_end));
  }
  auto tables = WriteLongModeTables(base, memory);
  if (!tables.ok()) return tables.status();
  placement.Take(base, LongModeTables::kBytes);
  layout.usable_low_end = base;
  auto info = PutBootInfo(request, layout, placement, memory);
  if (!info.ok()) return info.status();
  vcpu::StartState start;
  start.mode = vcpu::StartState::Mode::kLong64;
  start.rip = layout.entry;
  start.rsp = tables->stack_top;
  start.rax = kMultibootLoaderMagic;
  start.rbx = *info;
  start.cr3 = tables->cr3;
  start.gdt_base = tables->gdt_base;
  start.gdt_limit = tables->gdt_limit;
  return start;
}

}  // namespace

absl::StatusOr<LoadedImage> LoadImage(const LoadRequest& request, GuestMemory& memory) {
  const ImageBytes& file = request.image;
  auto header = FindMultibootHeader(file);
  if (!header.ok()) return header.status();
  const bool multiboot = header->has_value();

  Placement placement(memory.low_end());
  LoadedImage loaded;
  absl::StatusOr<uint64_t> entry = uint64_t{0};
  bool long_mode = false;
  if (multiboot && (*header)->addresses) {
    const MultibootHeader::Addresses& to = *(*header)->addresses;
    absl::Status status = Put(file, (*header)->offset, to.file_offset, to.load_size, to.load,
                              to.memory_size, placement, memory);
    if (!status.ok()) return status;
    entry = to.entry;
    loaded.format = "Multiboot, by the addresses in its header";
  } else if (IsElf(file)) {
    auto elf = ParseElf(file);
    if (!elf.ok()) return elf.status();
    entry = PutElf(file, *elf, placement, memory);
    long_mode = elf->is_64 && !multiboot;
    loaded.format = fmt::format("{}{}", elf->is_64 ? "ELF64" : "ELF32",
                                multiboot ? " with a Multiboot header" : "");
  } else {
    return file.Refuse(0,
                       "neither an ELF file nor one with a Multiboot header that has load "
                       "addresses (flag 16) in its first 8192 bytes");
  }
  if (!entry.ok()) return entry.status();

  const Layout layout{*entry, placement.taken_end(), memory.low_end()};
  auto start = long_mode ? StartLong(request, layout, placement, memory)
                         : StartProtected(request, layout, placement, memory);
  if (!start.ok()) return start.status();
  loaded.start = *start;
  loaded.symbols = ReadSymbols(file);
  return loaded;
}

}  // namespace muster::vmm
