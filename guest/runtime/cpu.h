// Starting CPUs and giving them work.
//
// GuestMain() runs on CPU 0; the others wait for SIPI until StartAllCpus(), and then sleep until
// work is posted to them.
#pragma once

#include <stdint.h>

#include "runtime/percpu.h"

// Written by each guest: runs on CPU 0, with interrupts on. When it returns, the guest has passed.
void GuestMain(void);

// The number of CPUs, as fw_cfg gives it; 1 where there is no fw_cfg.
uint32_t CpuCount(void);

// Starts all other CPUs: one INIT and one SIPI to all but self. Returns when each is idle.
void StartAllCpus(void);

// Has another CPU call `function`, with interrupts on, as soon as it is idle or waits in Join();
// Join() returns once it has, and sleeps until then. One post at a time to a CPU.
void Post(uint32_t cpu, CpuFunction* function, void* argument);
void Join(uint32_t cpu);

// Post and Join; on the caller's own CPU, a plain call.
void RunOn(uint32_t cpu, CpuFunction* function, void* argument);

// Runs `function` on all CPUs at once, the caller's included.
void RunOnAll(CpuFunction* function, void* argument);

// For guests that restart CPUs by SendInit() and SendStartup(). A CPU that starts again is idle.
// ExpectRestart() comes before the INIT: work that the CPU is in the middle of is forgotten, and
// its next start wakes this CPU, which sleeps in AwaitStarts() until there were `starts` in all.
void ExpectRestart(uint32_t cpu);
void AwaitStarts(uint32_t cpu, uint32_t starts);

// Called on each CPU that SIPI has started, before the runtime touches its APIC. Null: none.
typedef void StartHook(struct Cpu* cpu);
void SetStartHook(StartHook* hook);
