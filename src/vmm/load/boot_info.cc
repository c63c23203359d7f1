#include <muster/vmm/load/bios_area.h>
#include <muster/vmm/load/boot_info.h>
#include <muster/vmm/load/ram_map.h>

namespace muster::vmm {
namespace {

constexpr uint64_t kStructureFloor = 0x9000;
constexpr uint64_t kLowMemoryEnd = BiosArea::kExtendedData;
constexpr uint64_t kHighMemory = BiosArea::kEnd;

enum Flags : uint32_t {
  kMemory = 1u << 0,
  kCommandLine = 1u << 2,
  kModules = 1u << 3,
  kMemoryMap = 1u << 6,
  kLoaderName = 1u << 9,
};

struct Information {
  uint32_t flags;
  uint32_t mem_lower, mem_upper;  // KiB
  uint32_t boot_device;
  uint32_t cmdline;
  uint32_t mods_count, mods_addr;
  uint32_t syms[4];
  uint32_t mmap_length, mmap_addr;
  uint32_t drives_length, drives_addr;
  uint32_t config_table;
  uint32_t boot_loader_name;
  uint32_t apm_table;
  uint32_t vbe[4];
};
static_assert(sizeof(Information) == 88);

struct ModuleEntry {
  uint32_t start, end, string, reserved;
};

struct MapEntry {
  uint32_t size;  // of what follows this field
  uint32_t base_low, base_high, length_low, length_high;
  uint32_t type;
};
static_assert(sizeof(MapEntry) == 24);

std::vector<MapEntry> BuildMemoryMap(const BootInfo& info, const GuestMemory& memory) {
  std::vector<MapEntry> map;
  for (const RamRange& range : BuildRamMap(memory, info.usable_low_end)) {
    const uint64_t length = range.end - range.base;
    map.push_back({sizeof(MapEntry) - sizeof(uint32_t), static_cast<uint32_t>(range.base),
                   static_cast<uint32_t>(range.base >> 32), static_cast<uint32_t>(length),
                   static_cast<uint32_t>(length >> 32), range.type});
  }
  return map;
}

std::span<const uint8_t> BytesOf(const std::string& text) {
  // With the zero that ends it.
  return {reinterpret_cast<const uint8_t*>(text.c_str()), text.size() + 1};
}

// Puts strings one after the other and hands out their addresses.
class Strings {
 public:
  uint32_t Add(const std::string& text) {
    const auto offset = static_cast<uint32_t>(bytes_.size());
    const std::span<const uint8_t> added = BytesOf(text);
    bytes_.insert(bytes_.end(), added.begin(), added.end());
    return offset;
  }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace

absl::StatusOr<uint32_t> WriteBootInfo(const BootInfo& info, Placement& placement,
                                       GuestMemory& memory) {
  Strings strings;
  Information structure{};
  structure.flags = kMemory | kCommandLine | kMemoryMap | kLoaderName;
  structure.mem_lower = kLowMemoryEnd / 1024;
  structure.mem_upper = info.usable_low_end > kHighMemory
                            ? static_cast<uint32_t>((info.usable_low_end - kHighMemory) / 1024)
                            : 0;
  structure.cmdline = strings.Add(info.command_line);
  structure.boot_loader_name = strings.Add("muster");
  std::vector<ModuleEntry> modules;
  for (const BootInfo::Module& module : info.modules) {
    modules.push_back({0, 0, strings.Add(module.name), 0});
  }

  auto text = placement.Find(info.image_end, strings.bytes().size(), "the command line");
  if (!text.ok()) return text.status();
  if (absl::Status status = memory.Write(*text, strings.bytes()); !status.ok()) return status;
  const auto text_base = static_cast<uint32_t>(*text);
  structure.cmdline += text_base;
  structure.boot_loader_name += text_base;

  for (size_t i = 0; i < modules.size(); ++i) {
    const BootInfo::Module& module = info.modules[i];
    auto base = placement.Find(info.image_end, module.bytes.size(), module.name);
    if (!base.ok()) return base.status();
    if (absl::Status status = memory.Write(*base, module.bytes); !status.ok()) return status;
    modules[i].start = static_cast<uint32_t>(*base);
    modules[i].end = static_cast<uint32_t>(*base + module.bytes.size());
    modules[i].string += text_base;
  }

  const std::vector<MapEntry> map = BuildMemoryMap(info, memory);
  const uint64_t map_bytes = map.size() * sizeof(MapEntry);
  const uint64_t module_bytes = modules.size() * sizeof(ModuleEntry);
  auto base = placement.Find(kStructureFloor, sizeof(Information) + map_bytes + module_bytes,
                             "the Multiboot information");
  if (!base.ok()) return base.status();
  const uint64_t map_base = *base + sizeof(Information);
  const uint64_t module_base = map_base + map_bytes;
  structure.mmap_addr = static_cast<uint32_t>(map_base);
  structure.mmap_length = static_cast<uint32_t>(map_bytes);
  if (!modules.empty()) {
    structure.flags |= kModules;
    structure.mods_count = static_cast<uint32_t>(modules.size());
    structure.mods_addr = static_cast<uint32_t>(module_base);
  }
  absl::Status status = memory.WriteValue(*base, structure);
  for (size_t i = 0; status.ok() && i < map.size(); ++i) {
    status = memory.WriteValue(map_base + i * sizeof(MapEntry), map[i]);
  }
  for (size_t i = 0; status.ok() && i < modules.size(); ++i) {
    status = memory.WriteValue(module_base + i * sizeof(ModuleEntry), modules[i]);
  }
  if (!status.ok()) return status;
  return static_cast<uint32_t>(*base);
}

}  // namespace muster::vmm
