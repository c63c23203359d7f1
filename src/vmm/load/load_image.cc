#include <algorithm>
#include <fmt/format.h>

#include <muster/vmm/load/bios_area.h>
#include <muster/vmm/load/boot_info.h>
#include <muster/vmm/load/elf.h>
#include <muster/vmm/load/linux_boot.h>
#include <muster/vmm/load/load_image.h>
#include <muster/vmm/load/long_mode.h>
#include <muster/vmm/load/multiboot.h>
#include <muster/vmm/load/piece.h>
#include <muster/vmm/load/pvh.h>
#include <muster/vmm/load/pvh_note.h>

namespace muster::vmm {
namespace {

absl::Status PutElf(const LoadRequest& request, const ElfImage& elf, Placement& placement,
                    GuestMemory& memory) {
  for (const ElfSegment& segment : elf.segments) {
    absl::Status status = Put(request,
                              {segment.header_offset, segment.file_offset, segment.file_size,
                               segment.physical_address, segment.memory_size},
                              placement, memory);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
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
  if (const uint64_t floor = std::max(layout.image_end, BiosArea::kEnd); base < floor) {
    return absl::ResourceExhaustedError(
        fmt::format("{}: page tables, GDT and stack of a 64-bit start ({} bytes) do not fit above "
                    "{:#x}, where the image ends or the first MiB; give more with --memory",
                    request.image.name(), LongModeTables::kBytes, floor));
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

absl::StatusOr<vcpu::StartState> StartReal(const LoadRequest& request, const Layout& layout,
                                           Placement& placement, GuestMemory& memory) {
  constexpr uint64_t kStackTop = 0xfff0, kFirstPage = GuestMemory::kPage;
  auto start = StartProtected(request, layout, placement, memory);
  if (!start.ok()) return start;
  start->mode = vcpu::StartState::Mode::kReal;
  start->rsp =
      layout.entry < kFirstPage ? kStackTop : std::min(layout.entry & ~uint64_t{1}, kStackTop);
  return start;
}

// What the image is, and where its first instruction is once it has been laid out.
struct Entry {
  enum class Start { kReal, kProtected, kLong, kPvh, kLinux };

  uint64_t address = 0;  // physical
  Start start = Start::kProtected;
  std::string format;
  std::optional<LinuxHeader> linux = std::nullopt;  // kLinux
};

absl::StatusOr<Entry> PutFlat(const LoadRequest& request, Placement& placement,
                              GuestMemory& memory) {
  const uint64_t size = request.image.size(), address = *request.flat;
  absl::Status status = Put(request, {0, 0, size, address, size}, placement, memory);
  if (!status.ok()) return status;
  return Entry{address, address < BiosArea::kEnd ? Entry::Start::kReal : Entry::Start::kProtected,
               fmt::format("flat, at {:#x}", address)};
}

absl::StatusOr<Entry> PutImage(const LoadRequest& request, Placement& placement,
                               GuestMemory& memory) {
  if (request.flat) return PutFlat(request, placement, memory);
  const ImageBytes& file = request.image;
  auto header = FindMultibootHeader(file);
  if (!header.ok()) return header.status();
  const bool multiboot = header->has_value();
  if (multiboot && (*header)->addresses) {
    const MultibootHeader::Addresses& to = *(*header)->addresses;
    absl::Status status =
        Put(request, {(*header)->offset, to.file_offset, to.load_size, to.load, to.memory_size},
            placement, memory);
    if (!status.ok()) return status;
    return Entry{to.entry, Entry::Start::kProtected, "Multiboot, by the addresses in its header"};
  }
  if (IsElf(file)) {
    auto elf = ParseElf(file);
    if (!elf.ok()) return elf.status();
    auto pvh = multiboot ? std::optional<uint32_t>() : FindPvhEntry(file);
    if (!pvh.ok()) return pvh.status();
    absl::Status status = PutElf(request, *elf, placement, memory);
    if (!status.ok()) return status;
    if (*pvh) {
      const bool is_loaded =
          std::any_of(elf->segments.begin(), elf->segments.end(), [&](const ElfSegment& segment) {
            return **pvh >= segment.physical_address &&
                   **pvh - segment.physical_address < segment.memory_size;
          });
      if (!is_loaded) {
        return file.Refuse(0, fmt::format("the PVH entry point {:#x} is in no segment", **pvh));
      }
      return Entry{**pvh, Entry::Start::kPvh,
                   fmt::format("{}, by its PVH entry", elf->is_64 ? "ELF64" : "ELF32")};
    }
    auto entry = elf->ToPhysical(file, elf->entry);
    if (!entry.ok()) return entry.status();
    return Entry{*entry, elf->is_64 && !multiboot ? Entry::Start::kLong : Entry::Start::kProtected,
                 fmt::format("{}{}", elf->is_64 ? "ELF64" : "ELF32",
                             multiboot ? " with a Multiboot header" : "")};
  }
  if (IsLinux(file)) {
    auto linux_header = ParseLinuxHeader(file);
    if (!linux_header.ok()) return linux_header.status();
    auto address = PutLinux(request, *linux_header, placement, memory);
    if (!address.ok()) return address.status();
    return Entry{*address, Entry::Start::kLinux, Describe(*linux_header), *linux_header};
  }
  return file.Refuse(
      0,
      "neither an ELF file, nor a Linux bzImage, nor one with a Multiboot header that "
      "has load addresses (flag 16) in its first 8192 bytes; give --flat ADDR where "
      "it is plain code");
}

}  // namespace

absl::StatusOr<LoadedImage> LoadImage(const LoadRequest& request, GuestMemory& memory) {
  Placement placement(memory.low_end());
  auto entry = PutImage(request, placement, memory);
  if (!entry.ok()) return entry.status();
  const Layout layout{entry->address, placement.taken_end(), memory.low_end()};
  placement.Take(BiosArea::kExtendedData, BiosArea::kEnd - BiosArea::kExtendedData);

  const auto start = [&] {
    switch (entry->start) {
      case Entry::Start::kReal:
        return StartReal(request, layout, placement, memory);
      case Entry::Start::kLong:
        return StartLong(request, layout, placement, memory);
      case Entry::Start::kPvh:
        return StartPvh(request, layout.entry, placement, memory);
      case Entry::Start::kLinux:
        return StartLinux(request, *entry->linux, layout.entry, placement, memory);
      case Entry::Start::kProtected:
        break;
    }
    return StartProtected(request, layout, placement, memory);
  }();
  if (!start.ok()) return start.status();
  LoadedImage loaded;
  loaded.format = std::move(entry->format);
  loaded.start = *start;
  if (!request.flat) loaded.symbols = ReadSymbols(request.image);
  return loaded;
}

}  // namespace muster::vmm
