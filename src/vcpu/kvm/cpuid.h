#pragma once

#include <cstdint>
#include <linux/kvm.h>
#include <span>
#include <vector>

namespace muster::vcpu {

struct CpuidConfig {
  uint32_t apic_id = 0;  // x2APIC id; leaf 1 shows its low 8 bits
  // CPUID.1:ECX[24]. Only where HostTraits::tsc_deadline_exits.
  bool tsc_deadline = false;
};

// What one vCPU's CPUID shows, from what KVM supports: a package of its own with one core and one
// thread; x2APIC; no VMX or SVM; a hypervisor that says KVM and offers its clock and nothing else.
// A vCPU's own local APIC is in user space, so whatever KVM offers through the in-kernel one is
// left out. Pure.
std::vector<kvm_cpuid_entry2> BuildCpuid(std::span<const kvm_cpuid_entry2> supported,
                                         const CpuidConfig& config);

// CPUID.1:EAX, the value that RDX has after reset; 0 where there is no leaf 1.
uint32_t Signature(std::span<const kvm_cpuid_entry2> entries);

// MAXPHYADDR, CPUID.80000008H:EAX[7:0]; 36 where there is no such leaf (SDM "CPUID").
uint8_t PhysicalAddressBits(std::span<const kvm_cpuid_entry2> entries);

}  // namespace muster::vcpu
