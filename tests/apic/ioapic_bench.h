#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include <muster/apic/ioapic.h>

namespace muster::apic {

/// An I/O APIC and the accesses that a guest makes by instruction.
struct IoApicBench {
  explicit IoApicBench(const IoApicConfig& config = {}) : ioapic(config) {}

  template <typename T>
  T Load(uint32_t offset) {
    std::array<uint8_t, sizeof(T)> bytes;
    ioapic.MmioRead(offset, bytes);
    return std::bit_cast<T>(bytes);
  }
  template <typename T>
  IoApicEffects Store(uint32_t offset, T value) {
    return ioapic.MmioWrite(offset, std::bit_cast<std::array<uint8_t, sizeof(T)>>(value));
  }

  uint32_t Read(uint8_t reg) {
    Store<uint32_t>(kIoRegSel, reg);
    return Load<uint32_t>(kIoWin);
  }
  IoApicEffects Write(uint8_t reg, uint32_t value) {
    Store<uint32_t>(kIoRegSel, reg);
    return Store<uint32_t>(kIoWin, value);
  }
  uint64_t ReadEntry(unsigned pin) {
    const auto low = static_cast<uint8_t>(0x10 + 2 * pin);
    return Read(low) | uint64_t{Read(static_cast<uint8_t>(low + 1))} << 32;
  }
  /// Destination, then the rest, each evaluated as after its rendezvous.
  IoApicEffects WriteEntry(unsigned pin, uint64_t entry) {
    const auto low = static_cast<uint8_t>(0x10 + 2 * pin);
    Write(static_cast<uint8_t>(low + 1), static_cast<uint32_t>(entry >> 32));
    const IoApicEffects effects = Write(low, static_cast<uint32_t>(entry));
    return effects.rerouted ? ioapic.Evaluate(pin) : effects;
  }

  IoApic ioapic;
};

inline constexpr uint64_t kRteMasked = Rte::Mask::kMask;
inline constexpr uint64_t kRteLevel = Rte::Trigger::kMask;
inline constexpr uint64_t kRteRemoteIrr = Rte::RemoteIrr::kMask;
constexpr uint64_t RteTo(uint8_t destination) { return uint64_t{destination} << 56; }

}  // namespace muster::apic
