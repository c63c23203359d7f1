#include <vector>

#include <muster/vmm/load/bios_area.h>
#include <muster/vmm/load/pvh.h>
#include <muster/vmm/load/ram_map.h>

namespace muster::vmm {
namespace {

constexpr uint32_t kMagic = 0x336ec578;  // "xEn3", its top bit set

struct StartInfo {
  uint32_t magic, version, flags, modules;
  uint64_t module_list, command_line, rsdp, memory_map;
  uint32_t memory_map_entries, reserved;
};
static_assert(sizeof(StartInfo) == 56);

struct Module {
  uint64_t base, size, command_line, reserved;
};

struct MapEntry {
  uint64_t base, size;
  uint32_t type, reserved;
};
static_assert(sizeof(MapEntry) == 24);

}  // namespace

absl::StatusOr<vcpu::StartState> StartPvh(const LoadRequest& request, uint64_t entry,
                                          Placement& placement, GuestMemory& memory) {
  StartInfo info{};
  info.magic = kMagic;
  info.version = 1;
  info.rsdp = BiosArea::kAcpiTables;

  const uint64_t text_size = request.arguments.size() + 1;
  auto text = placement.Find(Placement::kStructures, text_size, "the command line");
  if (!text.ok()) return text.status();
  absl::Status status =
      memory.Write(*text, {reinterpret_cast<const uint8_t*>(request.arguments.c_str()), text_size});
  info.command_line = *text;

  Module module{};
  if (request.initrd) {
    const uint64_t size = request.initrd->size();
    auto base =
        placement.FindHighest(BiosArea::kEnd, memory.low_end(), size, request.initrd->name());
    if (!base.ok()) return base.status();
    if (status.ok()) status = memory.Write(*base, request.initrd->all());
    module.base = *base;
    module.size = size;
    info.modules = 1;
  }

  std::vector<MapEntry> map;
  for (const RamRange& range : BuildRamMap(memory, memory.low_end())) {
    map.push_back({range.base, range.end - range.base, range.type, 0});
  }
  info.memory_map_entries = static_cast<uint32_t>(map.size());
  auto base = placement.Find(Placement::kStructures,
                             sizeof(info) + sizeof(module) + map.size() * sizeof(MapEntry),
                             "the PVH start information");
  if (!base.ok()) return base.status();
  info.module_list = *base + sizeof(info);
  info.memory_map = info.module_list + sizeof(module);
  if (status.ok()) status = memory.WriteValue(*base, info);
  if (status.ok()) status = memory.WriteValue(info.module_list, module);
  for (size_t i = 0; status.ok() && i < map.size(); ++i) {
    status = memory.WriteValue(info.memory_map + i * sizeof(MapEntry), map[i]);
  }
  if (!status.ok()) return status;

  vcpu::StartState start;
  start.mode = vcpu::StartState::Mode::kProtected32;
  start.rip = entry;
  start.rbx = *base;
  return start;
}

}  // namespace muster::vmm
