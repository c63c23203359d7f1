#include <algorithm>
#include <cstring>

#include <muster/apic/ioapic.h>

namespace muster::apic {
namespace {

constexpr uint8_t kFirstEntry = static_cast<uint8_t>(IoApicReg::kRedirection);
constexpr unsigned kHalf = 32;

}  // namespace

void IoApic::MmioRead(uint32_t offset, std::span<uint8_t> data) const {
  for (size_t i = 0; i < data.size(); ++i) {
    const uint64_t at = uint64_t{offset} + i;
    const uint64_t byte = at % 16;
    uint32_t value = 0;
    if (at - byte == kIoRegSel) value = select_;
    if (at - byte == kIoWin) value = ReadSelected();
    data[i] = byte < sizeof(value) ? static_cast<uint8_t>(value >> (8 * byte)) : 0;
  }
}

IoApicEffects IoApic::MmioWrite(uint32_t offset, std::span<const uint8_t> data) {
  IoApicEffects effects;
  uint32_t value = 0;
  if (offset == kIoRegSel && !data.empty()) {
    select_ = data[0];
  } else if (offset == kIoEoi && !data.empty()) {
    effects = Eoi(data[0]);
  } else if (offset == kIoWin && data.size() == sizeof(value)) {
    std::memcpy(&value, data.data(), sizeof(value));
    WriteSelected(value, effects);
  } else {
    ++counters_.odd_accesses;
  }
  return effects;
}

uint32_t IoApic::ReadSelected() const {
  switch (static_cast<IoApicReg>(select_)) {
    case IoApicReg::kId:
      return id_.raw;
    case IoApicReg::kVersion: {
      IoApicVersion version;
      version.Set<IoApicVersion::Version>(0x20);
      version.Set<IoApicVersion::MaxEntry>(pins() - 1);
      return version.raw;
    }
    case IoApicReg::kArbitration:
      return arbitration_.raw;
    default:
      break;
  }
  if (select_ < kFirstEntry) return 0;
  const unsigned index = select_ - kFirstEntry;
  if (index / 2 >= pins()) return 0;
  return static_cast<uint32_t>(entry(index / 2).raw >> (index % 2 * kHalf));
}

void IoApic::WriteSelected(uint32_t value, IoApicEffects& effects) {
  if (select_ == static_cast<uint8_t>(IoApicReg::kId)) {
    id_ = IoApicId(static_cast<uint32_t>(value & IoApicId::Id::kMask));
    arbitration_ = id_;
    return;
  }
  if (select_ < kFirstEntry) return;
  const unsigned index = select_ - kFirstEntry;
  if (index / 2 >= pins()) return;
  const unsigned shift = index % 2 * kHalf;
  const uint64_t half = uint64_t{0xffffffff} << shift;
  WriteEntry(index / 2, Rte((entry(index / 2).raw & ~half) | uint64_t{value} << shift), effects);
}

void IoApic::WriteEntry(unsigned pin, Rte value, IoApicEffects& effects) {
  Pin& p = pins_[pin];
  const Rte before = p.entry;
  p.entry.raw = (value.raw & Rte::kWritable) | (before.raw & Rte::RemoteIrr::kMask);
  if (p.entry.Get<Rte::Trigger>() == TriggerMode::kEdge) p.entry.Set<Rte::RemoteIrr>(false);
  if (((before.raw ^ p.entry.raw) & Rte::kRouting) != 0) {
    effects.rerouted = RoutingChange{static_cast<uint8_t>(pin), before, p.entry};
    return;
  }
  EvaluateLevel(pin, effects);
}

}  // namespace muster::apic
