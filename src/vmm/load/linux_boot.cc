#include <array>
#include <cstddef>
#include <fmt/format.h>

#include <muster/vmm/load/bios_area.h>
#include <muster/vmm/load/linux_boot.h>
#include <muster/vmm/load/long_mode.h>
#include <muster/vmm/load/piece.h>
#include <muster/vmm/load/ram_map.h>

namespace muster::vmm {
namespace {

constexpr uint16_t kBootCs = 0x10, kBootDs = 0x18;
constexpr uint8_t kUnregisteredLoader = 0xff;

// SDM "Segment Descriptors": present, DPL 0, accessed.
constexpr uint64_t kCode64 = 0x00af9b000000ffff, kCode32 = 0x00cf9b000000ffff,
                   kData = 0x00cf93000000ffff;

static_assert(sizeof(boot_params) == GuestMemory::kPage);

boot_params BuildParams(const LinuxHeader& header, uint64_t address, const GuestMemory& memory) {
  boot_params params{};
  params.hdr = header.raw;
  params.hdr.type_of_loader = kUnregisteredLoader;
  params.hdr.code32_start = static_cast<uint32_t>(address);
  params.hdr.setup_data = 0;
  params.acpi_rsdp_addr = BiosArea::kAcpiTables;
  for (const RamRange& range : BuildRamMap(memory, memory.low_end())) {
    params.e820_table[params.e820_entries++] = {range.base, range.end - range.base, range.type};
  }
  return params;
}

absl::StatusOr<uint64_t> PutCommandLine(const LoadRequest& request, const LinuxHeader& header,
                                        Placement& placement, GuestMemory& memory) {
  const std::string& text = request.arguments;
  if (text.size() > header.command_line_size) {
    return absl::InvalidArgumentError(fmt::format("the command line has {} bytes, and {} takes {}",
                                                  text.size(), request.image.name(),
                                                  header.command_line_size));
  }
  const uint64_t size = text.size() + 1;
  auto base = placement.Find(Placement::kStructures, size, "the command line");
  if (!base.ok()) return base.status();
  absl::Status status = memory.Write(*base, {reinterpret_cast<const uint8_t*>(text.c_str()), size});
  if (!status.ok()) return status;
  return base;
}

absl::Status PutInitrd(const LoadRequest& request, const LinuxHeader& header, uint64_t address,
                       Placement& placement, GuestMemory& memory, boot_params& params) {
  if (!request.initrd) return absl::OkStatus();
  const ImageBytes& initrd = *request.initrd;
  auto base = placement.FindHighest(address + header.memory_size, header.initrd_end, initrd.size(),
                                    initrd.name());
  if (!base.ok()) return base.status();
  params.hdr.ramdisk_image = static_cast<uint32_t>(*base);
  params.hdr.ramdisk_size = static_cast<uint32_t>(initrd.size());
  return memory.Write(*base, initrd.all());
}

}  // namespace

std::string Describe(const LinuxHeader& header) {
  return fmt::format("Linux{}{}, boot protocol {}.{:02}, {}-bit entry",
                     header.release.empty() ? "" : " ", header.release, header.raw.version >> 8,
                     header.raw.version & 0xff, header.starts_in_64 ? 64 : 32);
}

absl::StatusOr<uint64_t> PutLinux(const LoadRequest& request, const LinuxHeader& header,
                                  Placement& placement, GuestMemory& memory) {
  const auto fits = [&](uint64_t address) {
    return address <= memory.low_end() && header.memory_size <= memory.low_end() - address;
  };
  const uint64_t mask = header.alignment - 1;
  uint64_t address = (header.preferred + mask) & ~mask;
  const uint64_t lowest = (BiosArea::kEnd + mask) & ~mask;
  if (header.is_relocatable && !fits(address) && fits(lowest)) address = lowest;
  constexpr uint64_t kRule = offsetof(boot_params, hdr) + offsetof(setup_header, init_size);
  absl::Status status =
      Put(request, {kRule, header.code_offset, header.code_size, address, header.memory_size},
          placement, memory);
  if (!status.ok()) return status;
  return address;
}

absl::StatusOr<vcpu::StartState> StartLinux(const LoadRequest& request, const LinuxHeader& header,
                                            uint64_t address, Placement& placement,
                                            GuestMemory& memory) {
  boot_params params = BuildParams(header, address, memory);
  auto params_base = placement.Find(Placement::kStructures, sizeof(params), "boot_params");
  if (!params_base.ok()) return params_base.status();
  auto gdt = placement.Find(Placement::kStructures, GuestMemory::kPage, "the boot GDT");
  if (!gdt.ok()) return gdt.status();
  vcpu::StartState start;
  start.rip = address;
  start.rsp = *gdt + GuestMemory::kPage;
  start.rsi = *params_base;
  start.code_selector = kBootCs;
  start.data_selector = kBootDs;
  const std::array<uint64_t, 4> descriptors = {0, 0, header.starts_in_64 ? kCode64 : kCode32,
                                               kData};
  start.gdt_base = *gdt;
  start.gdt_limit = sizeof(descriptors) - 1;
  absl::Status status = memory.WriteValue(*gdt, descriptors);
  if (!status.ok()) return status;
  if (header.starts_in_64) {
    auto base = placement.Find(Placement::kStructures, LongModeTables::kBytes, "page tables");
    if (!base.ok()) return base.status();
    auto tables = WriteLongModeTables(*base, memory);
    if (!tables.ok()) return tables.status();
    start.mode = vcpu::StartState::Mode::kLong64;
    start.rip += kLinuxEntry64;
    start.cr3 = tables->cr3;
  }
  auto command_line = PutCommandLine(request, header, placement, memory);
  if (!command_line.ok()) return command_line.status();
  params.hdr.cmd_line_ptr = static_cast<uint32_t>(*command_line);
  status = PutInitrd(request, header, address, placement, memory, params);
  if (status.ok()) status = memory.WriteValue(*params_base, params);
  if (!status.ok()) return status;
  return start;
}

}  // namespace muster::vmm
