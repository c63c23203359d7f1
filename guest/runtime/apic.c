#include "runtime/apic.h"

#include "runtime/irq.h"
#include "runtime/percpu.h"
#include "runtime/x86.h"

static volatile uint32_t* Mmio(enum ApicRegister reg) {
  return (volatile uint32_t*)(uintptr_t)((uint32_t)kApicAddress + (uint32_t)reg * 16);
}

uint32_t ReadApic(enum ApicRegister reg) {
  return ThisCpu()->x2apic ? (uint32_t)ReadMsr(kMsrX2Apic + reg) : *Mmio(reg);
}

void WriteApic(enum ApicRegister reg, uint32_t value) {
  if (ThisCpu()->x2apic) {
    WriteMsr(kMsrX2Apic + reg, value);
  } else {
    *Mmio(reg) = value;
  }
}

bool HasX2Apic(void) { return (Cpuid(1, 0).ecx & 1u << 21) != 0; }

void EnterX2Apic(void) {
  if (ThisCpu()->x2apic) return;
  WriteMsr(kMsrApicBase, ReadMsr(kMsrApicBase) | kApicBaseEnable | kApicBaseX2Apic);
  ThisCpu()->x2apic = true;
}

void EnableApic(void) { WriteApic(kApicSvr, kSvrEnable | kSpuriousVector); }

bool ApicVectorIsSet(enum ApicRegister first, uint8_t vector) {
  return (ReadApic(first + vector / 32) >> vector % 32 & 1) != 0;
}
