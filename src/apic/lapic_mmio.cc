#include <algorithm>
#include <cstring>

#include <muster/apic/lapic.h>

namespace muster::apic {

void Lapic::MmioRead(uint32_t offset, std::span<uint8_t> data, const Now& now) {
  if (!MmioPage()) {
    std::ranges::fill(data, uint8_t{0xff});
    return;
  }
  AdvanceTimer(now);
  std::ranges::fill(data, uint8_t{0});
  const uint64_t end = std::min<uint64_t>(uint64_t{offset} + data.size(), kLapicPageSize);
  // Register by register, so that a load that spans two reports an error once for each.
  for (uint64_t at = offset; at < end; at = (at | 15) + 1) {
    const std::optional<uint32_t> value = ReadRegister(static_cast<LapicReg>(at >> 4), now);
    if (!value) {
      ReportError(Esr::IllegalRegisterAddress::kMask);
      continue;
    }
    for (uint64_t byte = at % 16; byte < 4 && at - at % 16 + byte < end; ++byte) {
      data[at - at % 16 + byte - offset] = static_cast<uint8_t>(*value >> (8 * byte));
    }
  }
}

Effects Lapic::MmioWrite(uint32_t offset, std::span<const uint8_t> data, const Now& now) {
  Effects effects;
  if (!MmioPage()) return effects;
  uint32_t value = 0;
  if (offset % 16 != 0 || data.size() != sizeof(value) || offset >= kLapicPageSize) {
    ++counters_.odd_accesses;
    return effects;
  }
  std::memcpy(&value, data.data(), sizeof(value));
  const Observed before = Observe();
  AdvanceTimer(now);
  if (!WriteRegister(static_cast<LapicReg>(offset >> 4), value, now, effects)) {
    ReportError(Esr::IllegalRegisterAddress::kMask);
  }
  Compare(before, effects);
  return effects;
}

}  // namespace muster::apic
