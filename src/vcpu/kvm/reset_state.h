#pragma once

#include <absl/status/statusor.h>
#include <cstdint>
#include <linux/kvm.h>

#include <muster/vcpu/run/start_state.h>

namespace muster::vcpu {

// Register values of a processor that starts anew, as KVM takes them; pure. SDM "IA-32 and Intel 64
// Processor States Following Power-up, Reset, or INIT". What is not here, INIT keeps: TSC, MTRRs,
// PAT, SYSENTER and STAR, x87 and SSE.
struct Registers {
  kvm_regs regs;
  kvm_sregs sregs;
};

// `before` is the vCPU's present state: INIT keeps CR0.CD and CR0.NW, and both keep apic_base.
// `signature` is the vCPU's CPUID.1:EAX, which RDX shows. CS:RIP is the reset vector, F000:FFF0.
Registers AfterPowerUp(const kvm_sregs& before, uint32_t signature);
Registers AfterInit(const kvm_sregs& before, uint32_t signature);

// SIPI moves a processor in wait-for-SIPI to VV00:0000 and changes nothing else.
void ApplySipi(uint8_t vector, Registers& registers);

// Where a loader leaves the bootstrap processor. InvalidArgument where `start` can't be entered.
absl::StatusOr<Registers> AtStart(const StartState& start, const kvm_sregs& before,
                                  uint32_t signature);

// Nothing pending, queued, shadowed or masked.
kvm_vcpu_events EventsAfterInit();
kvm_debugregs DebugRegsAfterInit();

}  // namespace muster::vcpu
