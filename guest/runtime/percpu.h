// What the runtime keeps for each CPU. GS points at it.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/layout.h"

typedef void CpuFunction(void* argument);

enum Work { kNoWork, kWorkPosted, kWorkRunning };

struct Cpu {
  struct Cpu* self;    // at GS:0
  uint32_t number;     // its APIC id: ids are taken to be 0, 1, ... CpuCount() - 1
  bool x2apic;         // the mode its APIC is in
  atomic_uint starts;  // times it came out of wait-for-SIPI
  uint32_t starter;    // woken at each start but the first

  // Work posted by another CPU (cpu.h). `work` guards the three below it.
  atomic_uint work;  // enum Work
  CpuFunction* function;
  void* argument;
  uint32_t poster;  // woken when the work is done
} __attribute__((aligned(64)));

extern struct Cpu cpus[MAX_CPUS];

static inline struct Cpu* ThisCpu(void) {
  struct Cpu* cpu;
  asm("movq %%gs:0, %0" : "=r"(cpu));
  return cpu;
}

static inline uint32_t CpuNumber(void) { return ThisCpu()->number; }
