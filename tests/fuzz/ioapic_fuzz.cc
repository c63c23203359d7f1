// An I/O APIC: lines, register accesses and EOIs in any order.
#include <muster/apic/ioapic.h>

#include "fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace muster::apic;
  muster::testing::FuzzInput input(data, size);
  IoApic ioapic({.id = 3, .pins = static_cast<uint8_t>(1 + input.Take<uint8_t>() % 24)});
  while (!input.empty()) {
    const auto what = input.Take<uint8_t>();
    uint8_t bytes[8] = {};
    const std::span<uint8_t> access(bytes, size_t{1} << (what >> 4) % 4);
    IoApicEffects effects;
    switch (what % 8) {
      case 0:
        effects = ioapic.SetLine(input.Take<uint8_t>() % 32, (what & 0x80) != 0);
        break;
      case 1:
        ioapic.MmioRead(input.Take<uint8_t>(), access);
        break;
      case 2: {
        const auto value = input.Take<uint64_t>();
        std::memcpy(bytes, &value, sizeof(bytes));
        effects = ioapic.MmioWrite(what & 0x80 ? input.Take<uint16_t>() & 0xfff : 0x10, access);
        break;
      }
      case 3:
      case 4: {
        // A register, as guests write it.
        const auto select = static_cast<uint8_t>(input.Take<uint8_t>() & 0x3f);
        const auto value = input.Take<uint32_t>();
        std::memcpy(bytes, &value, sizeof(value));
        ioapic.MmioWrite(0, std::span(&select, 1));
        effects = ioapic.MmioWrite(0x10, std::span<const uint8_t>(bytes, 4));
        break;
      }
      case 5:
        effects = ioapic.Eoi(input.Take<uint8_t>());
        break;
      case 6:
        ioapic.Unaccepted(input.Take<uint8_t>() % 32);
        break;
      case 7:
        effects = ioapic.Retry();
        break;
    }
    if (effects.rerouted) ioapic.Evaluate(effects.rerouted->pin);
    muster::testing::Require(ioapic.CheckInvariants());
  }
  return 0;
}
