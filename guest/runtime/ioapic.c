#include "runtime/ioapic.h"

static volatile uint32_t* At(uint32_t address) { return (volatile uint32_t*)(uintptr_t)address; }

uint32_t ReadIoApic(uint8_t reg) {
  *At(kIoApicAddress) = reg;
  return *At(kIoApicAddress + 0x10);
}

void WriteIoApic(uint8_t reg, uint32_t value) {
  *At(kIoApicAddress) = reg;
  *At(kIoApicAddress + 0x10) = value;
}

static uint8_t Low(uint32_t pin) { return (uint8_t)(kIoApicRedirection + 2 * pin); }

uint32_t ReadPin(uint32_t pin) { return ReadIoApic(Low(pin)); }

void RoutePin(uint32_t pin, uint32_t entry, uint8_t destination) {
  WriteIoApic(Low(pin), kPinMasked);
  SetPinDestination(pin, destination);
  WriteIoApic(Low(pin), entry);
}

void SetPinDestination(uint32_t pin, uint8_t destination) {
  WriteIoApic(Low(pin) + 1, (uint32_t)destination << 24);
}

void WriteIoApicEoi(uint8_t vector) { *At(kIoApicEoi) = vector; }
