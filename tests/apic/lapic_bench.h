#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>

#include <muster/apic/lapic.h>

namespace muster::apic {

/// A Lapic with its clocks, and the accesses that a guest makes by instruction.
struct LapicBench {
  explicit LapicBench(const LapicConfig& config) : lapic(config) {}

  static LapicConfig Config() {
    return {.id = 3,
            .bootstrap = false,
            .x2apic = true,
            .tsc_deadline = true,
            .physical_address_bits = 40};
  }
  /// Software-enabled, spurious vector 0xff, nothing unmasked.
  static LapicBench Xapic(const LapicConfig& config = Config()) {
    LapicBench bench(config);
    bench.Write(LapicReg::kSvr, 0x1ff);
    return bench;
  }
  static LapicBench X2Apic(const LapicConfig& config = Config()) {
    LapicBench bench(config);
    bench.lapic.AsFirmwareLeaves(true);
    bench.Msr(LapicReg::kSvr, 0x1ff);
    return bench;
  }

  uint32_t Read(LapicReg reg) { return Load<uint32_t>(MmioOffset(reg)); }
  Effects Write(LapicReg reg, uint32_t value) { return Store(MmioOffset(reg), value); }

  template <typename T>
  T Load(uint32_t offset) {
    std::array<uint8_t, sizeof(T)> bytes;
    lapic.MmioRead(offset, bytes, now);
    return std::bit_cast<T>(bytes);
  }
  template <typename T>
  Effects Store(uint32_t offset, T value) {
    return lapic.MmioWrite(offset, std::bit_cast<std::array<uint8_t, sizeof(T)>>(value), now);
  }

  std::optional<uint64_t> Msr(LapicReg reg) { return lapic.MsrRead(MsrNumber(reg), now); }
  std::optional<Effects> Msr(LapicReg reg, uint64_t value) {
    return lapic.MsrWrite(MsrNumber(reg), value, now);
  }
  std::optional<Effects> SetApicBase(uint64_t value) {
    return lapic.MsrWrite(kMsrApicBase, value, now);
  }

  /// What is logged in the ESR, by write-then-read.
  uint32_t Errors() {
    Write(LapicReg::kEsr, 0);
    return Read(LapicReg::kEsr);
  }

  /// Accepts an edge and injects it.
  void Serve(uint8_t vector, TriggerMode trigger_mode = TriggerMode::kEdge) {
    lapic.Accept(vector, trigger_mode);
    lapic.Acknowledge(vector);
  }

  Lapic lapic;
  Now now{.ns = 1'000'000, .tsc = 5'000'000};
};

inline constexpr uint64_t kXapicBase = kDefaultApicBase | ApicBase::En::kMask;
inline constexpr uint64_t kX2ApicBase = kXapicBase | ApicBase::Extd::kMask;

}  // namespace muster::apic
