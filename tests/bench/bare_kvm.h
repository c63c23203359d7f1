// The least that runs a guest on KVM, to compare the run loop with: no rendezvous, no timers, no
// INIT, one interrupt at a time. A failure ends the process.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct BareVm;

// One or two vCPUs on `ram`, mapped from guest-physical 0. vCPU 0 begins in real mode at `start`,
// vCPU 1 where a SIPI says. `kick_signal` must have a handler that does nothing.
struct BareVm* BareCreate(const char* device, int cpus, uint8_t* ram, uint64_t ram_bytes,
                          uint16_t start, int kick_signal);
void BareDestroy(struct BareVm* vm);

// KVM_RUN of vCPU 0 until `exits` OUT instructions have been executed. Nothing but that ioctl.
void BareRunPortExits(struct BareVm* vm, int exits);

// Runs a vCPU, serving the x2APIC's ICR, until an OUT (vCPU 0) or BareStop (vCPU 1).
void BareRunToPort(struct BareVm* vm, int cpu);
void BareStop(struct BareVm* vm);

#ifdef __cplusplus
}
#endif
