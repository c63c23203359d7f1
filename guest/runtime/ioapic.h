// The I/O APIC at its usual address. One CPU at a time: the register is selected by a write of its
// own.
#pragma once

#include <stdint.h>

enum {
  kIoApicAddress = 0xFEC00000,
  kIoApicEoi = kIoApicAddress + 0x40,  // from version 0x20
  kIoApicVersion = 1,                  // registers
  kIoApicRedirection = 0x10,           // two for each pin
};

// Fields of a redirection entry's low half; 82093AA, "I/O Redirection Table Registers".
enum {
  kPinFixed = 0 << 8,
  kPinLowestPriority = 1 << 8,
  kPinNmi = 4 << 8,
  kPinLogical = 1 << 11,
  kPinPending = 1 << 12,
  kPinActiveLow = 1 << 13,
  kPinRemoteIrr = 1 << 14,
  kPinLevel = 1 << 15,
  kPinMasked = 1 << 16,
};

uint32_t ReadIoApic(uint8_t reg);
void WriteIoApic(uint8_t reg, uint32_t value);

// The entry's low half, with the delivery status and remote IRR as they are.
uint32_t ReadPin(uint32_t pin);

// Routes `pin`: masked while its destination changes.
void RoutePin(uint32_t pin, uint32_t entry, uint8_t destination);

// Changes the destination alone, in one write.
void SetPinDestination(uint32_t pin, uint8_t destination);

// Ends the service of level-triggered `vector` at the I/O APIC alone.
void WriteIoApicEoi(uint8_t vector);
