// The local APIC of the CPU that calls, in whichever mode it is.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Register numbers: the MMIO offset divided by 16, and the MSR less 0x800.
enum ApicRegister {
  kApicId = 0x02,
  kApicVersion = 0x03,
  kApicTpr = 0x08,
  kApicPpr = 0x0A,
  kApicEoi = 0x0B,
  kApicLdr = 0x0D,
  kApicDfr = 0x0E,
  kApicSvr = 0x0F,
  kApicIsr = 0x10,  // eight registers of 32 vectors
  kApicTmr = 0x18,
  kApicIrr = 0x20,
  kApicEsr = 0x28,
  kApicIcrLow = 0x30,
  kApicIcrHigh = 0x31,
  kApicLvtTimer = 0x32,
  kApicLvtLint0 = 0x35,
  kApicLvtLint1 = 0x36,
  kApicLvtError = 0x37,
  kApicInitialCount = 0x38,
  kApicCurrentCount = 0x39,
  kApicDivide = 0x3E,
  kApicSelfIpi = 0x3F,  // x2APIC only
};

enum {
  kApicAddress = 0xFEE00000,
  kApicBaseEnable = 1 << 11,
  kApicBaseX2Apic = 1 << 10,
  kSvrEnable = 1 << 8,
  kLvtMasked = 1 << 16,
  kDfrFlat = 0xFFFFFFFF,
  kDfrCluster = 0x0FFFFFFF,
};

uint32_t ReadApic(enum ApicRegister reg);
void WriteApic(enum ApicRegister reg, uint32_t value);

// Whether CPUID offers x2APIC.
bool HasX2Apic(void);

// Takes this CPU's APIC from xAPIC to x2APIC mode. There is no way back but through "disabled",
// which clears its registers.
void EnterX2Apic(void);

// Software-enables the APIC. The runtime has done it before any code of the guest runs.
void EnableApic(void);

// Ends the service of the highest vector in service. Every handler of a fixed interrupt calls it.
static inline void EndOfInterrupt(void) { WriteApic(kApicEoi, 0); }

// Whether `vector` is set in the 256-bit register that starts at `first` (kApicIsr, Tmr, Irr).
bool ApicVectorIsSet(enum ApicRegister first, uint8_t vector);
