#include <muster/vmm/load/bios_area.h>
#include <muster/vmm/load/ram_map.h>

namespace muster::vmm {

std::vector<RamRange> BuildRamMap(const GuestMemory& memory, uint64_t usable_low_end) {
  std::vector<RamRange> map;
  const auto add = [&map](uint64_t base, uint64_t end, RamRange::Type type) {
    if (base < end) map.push_back({base, end, type});
  };
  add(0, BiosArea::kExtendedData, RamRange::kUsable);
  add(BiosArea::kExtendedData, BiosArea::kEnd, RamRange::kReserved);
  add(BiosArea::kEnd, usable_low_end, RamRange::kUsable);
  add(usable_low_end, memory.low_end(), RamRange::kReserved);
  for (const GuestMemory::Region& region : memory.regions()) {
    if (region.base >= GuestMemory::kHoleEnd) add(region.base, region.end(), RamRange::kUsable);
  }
  return map;
}

}  // namespace muster::vmm
