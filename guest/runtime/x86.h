// Instructions that C has no words for.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
  kMsrApicBase = 0x1B,
  kMsrTscDeadline = 0x6E0,
  kMsrX2Apic = 0x800,  // plus the register's number
  kMsrGsBase = 0xC0000101,
};

static inline void WritePort8(uint16_t port, uint8_t value) {
  asm volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void WritePort16(uint16_t port, uint16_t value) {
  asm volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void WritePort32(uint16_t port, uint32_t value) {
  asm volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint32_t ReadPort32(uint16_t port) {
  uint32_t value;
  asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
  return value;
}

// Where this code is.
static inline __attribute__((always_inline)) uint64_t CodeAddress(void) {
  uint64_t address;
  asm("lea (%%rip), %0" : "=r"(address));
  return address;
}

// In the call that led to the function that this stands in: for reports, its line is the caller's.
#define CALLER_ADDRESS() ((uint64_t)__builtin_return_address(0) - 1)

static inline uint8_t ReadPort8(uint16_t port) {
  uint8_t value;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
  return value;
}

static inline uint64_t ReadMsr(uint32_t msr) {
  uint32_t low, high;
  asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
  return (uint64_t)high << 32 | low;
}

static inline void WriteMsr(uint32_t msr, uint64_t value) {
  asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

struct CpuidResult {
  uint32_t eax, ebx, ecx, edx;
};

static inline struct CpuidResult Cpuid(uint32_t leaf, uint32_t subleaf) {
  struct CpuidResult r;
  asm volatile("cpuid"
               : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
               : "a"(leaf), "c"(subleaf));
  return r;
}

static inline uint64_t ReadTsc(void) {
  uint32_t low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
  return (uint64_t)high << 32 | low;
}

static inline uint64_t ReadCr2(void) {
  uint64_t value;
  asm volatile("mov %%cr2, %0" : "=r"(value));
  return value;
}

static inline void Pause(void) { asm volatile("pause" : : : "memory"); }
static inline void EnableInterrupts(void) { asm volatile("sti" : : : "memory"); }
static inline void DisableInterrupts(void) { asm volatile("cli" : : : "memory"); }

// Sleeps until an interrupt comes, also one that is pending already (LeaveHalt() in irq.h).
void EnableInterruptsAndHalt(void);

// Turns interrupts off; RestoreInterrupts() puts them back as they were.
static inline uint64_t SaveAndDisableInterrupts(void) {
  uint64_t flags;
  asm volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
  return flags;
}

static inline void RestoreInterrupts(uint64_t flags) {
  if (flags & 0x200) EnableInterrupts();
}

// cli; hlt for ever: only NMI or INIT reaches this CPU again.
_Noreturn void HaltForever(void);
