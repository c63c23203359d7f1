#include <algorithm>
#include <cstring>

#include <muster/vcpu/kvm/cpuid.h>

namespace muster::vcpu {

namespace {

constexpr uint32_t Bit(int n) { return 1u << n; }
constexpr uint32_t Bits(int high, int low) {
  return static_cast<uint32_t>(((1ull << (high + 1)) - 1) & ~((1ull << low) - 1));
}

constexpr uint32_t kHypervisorLeaf = 0x40000000;
constexpr uint32_t kHypervisorFeatures = 0x40000001;
constexpr uint32_t kHypervisorEnd = 0x50000000;

// KVM_FEATURE_CLOCKSOURCE, CLOCKSOURCE2 and CLOCKSOURCE_STABLE_BIT: KVM's clock needs no in-kernel
// APIC. The rest either does (end of interrupt, asynchronous page faults, IPIs, kicks) or makes
// vCPUs wait in ways that this library would not see.
constexpr uint32_t kKeptKvmFeatures = Bit(0) | Bit(3) | Bit(24);

kvm_cpuid_entry2 Leaf(uint32_t function, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx) {
  kvm_cpuid_entry2 entry{};
  entry.function = function;
  entry.eax = eax;
  entry.ebx = ebx;
  entry.ecx = ecx;
  entry.edx = edx;
  return entry;
}

// "Extended Topology Enumeration Leaf": level `index` of two, thread then core, each of one
// processor and with no bit of the x2APIC id of its own: the whole id names the package.
kvm_cpuid_entry2 Topology(uint32_t function, uint32_t index, uint32_t apic_id) {
  const uint32_t level_type = index + 1;
  kvm_cpuid_entry2 entry = Leaf(function, 0, 1, level_type << 8 | index, apic_id);
  entry.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
  entry.index = index;
  return entry;
}

// Leaves that are written anew, or that describe what a vCPU of ours has not got.
bool Dropped(uint32_t function) {
  switch (function) {
    case 0x0b:  // topology: written anew
    case 0x1f:  // the same, version 2
    case 0x0a:  // performance counters: their interrupt needs the in-kernel APIC
    case 0x15:  // core crystal clock: guests take it for the APIC timer's, which is 1 GHz here
    case 0x8000000a:  // SVM
    case 0x8000001b:  // instruction-based sampling: needs AMD's extended LVT
    case 0x80000022:  // performance counters, version 2
    case 0x80000026:  // topology, as AMD's: without a valid level guests turn to leaf 0xB
      return true;
    default:
      return function >= kHypervisorLeaf && function < kHypervisorEnd;
  }
}

void RewriteLeaf1(kvm_cpuid_entry2& entry, const CpuidConfig& config) {
  constexpr uint32_t kVmx = Bit(5), kSmx = Bit(6), kPdcm = Bit(15), kX2apic = Bit(21),
                     kTscDeadline = Bit(24), kHypervisor = Bit(31);
  constexpr uint32_t kApic = Bit(9), kHtt = Bit(28);
  entry.ebx = (entry.ebx & Bits(15, 0)) | (config.apic_id & 0xff) << 24 | 1u << 16;
  entry.ecx &= ~(kVmx | kSmx | kPdcm | kTscDeadline);
  entry.ecx |= kX2apic | kHypervisor | (config.tsc_deadline ? kTscDeadline : 0);
  entry.edx = (entry.edx | kApic) & ~kHtt;
}

void Rewrite(kvm_cpuid_entry2& entry, const CpuidConfig& config) {
  switch (entry.function) {
    case 0x01:
      RewriteLeaf1(entry, config);
      break;
    case 0x04:  // cores of the package, and threads that share this cache, both less one
      entry.eax &= ~Bits(31, 14);
      break;
    case 0x80000001: {
      constexpr uint32_t kCmpLegacy = Bit(1), kSvm = Bit(2), kExtApicSpace = Bit(3), kIbs = Bit(10),
                         kPerfCtrCore = Bit(23), kPerfCtrNb = Bit(24), kPerfCtrLlc = Bit(28);
      entry.ecx &=
          ~(kCmpLegacy | kSvm | kExtApicSpace | kIbs | kPerfCtrCore | kPerfCtrNb | kPerfCtrLlc);
      break;
    }
    case 0x80000008:  // ApicIdCoreIdSize, and threads of the package less one
      entry.ecx &= ~(Bits(15, 12) | Bits(7, 0));
      break;
    case 0x8000001d:  // threads that share this cache, less one
      entry.eax &= ~Bits(25, 14);
      break;
    case 0x8000001e:  // extended APIC id; core 0 of one thread; node 0 of one
      entry.eax = config.apic_id;
      entry.ebx = entry.ecx = 0;
      break;
    default:
      break;
  }
}

}  // namespace

std::vector<kvm_cpuid_entry2> BuildCpuid(std::span<const kvm_cpuid_entry2> supported,
                                         const CpuidConfig& config) {
  std::vector<kvm_cpuid_entry2> entries;
  uint32_t kvm_features = 0;
  uint32_t max_basic = 0;
  for (kvm_cpuid_entry2 entry : supported) {
    if (entry.function == kHypervisorFeatures) kvm_features = entry.eax & kKeptKvmFeatures;
    if (Dropped(entry.function)) continue;
    if (entry.function == 0) max_basic = entry.eax = std::max(entry.eax, 0x0bu);
    Rewrite(entry, config);
    entries.push_back(entry);
  }

  for (const uint32_t function : {0x0bu, 0x1fu}) {
    if (max_basic < function) continue;
    for (const uint32_t index : {0u, 1u})
      entries.push_back(Topology(function, index, config.apic_id));
  }

  // Linux uses x2APIC without interrupt remapping only under a hypervisor that it knows.
  uint32_t signature[3];
  std::memcpy(signature, "KVMKVMKVM\0\0\0", sizeof(signature));
  entries.push_back(
      Leaf(kHypervisorLeaf, kHypervisorFeatures, signature[0], signature[1], signature[2]));
  entries.push_back(Leaf(kHypervisorFeatures, kvm_features, 0, 0, 0));
  return entries;
}

uint32_t Signature(std::span<const kvm_cpuid_entry2> entries) {
  const auto leaf = std::find_if(entries.begin(), entries.end(),
                                 [](const kvm_cpuid_entry2& entry) { return entry.function == 1; });
  return leaf == entries.end() ? 0 : leaf->eax;
}

uint8_t PhysicalAddressBits(std::span<const kvm_cpuid_entry2> entries) {
  const auto leaf = std::find_if(entries.begin(), entries.end(), [](const kvm_cpuid_entry2& entry) {
    return entry.function == 0x80000008;
  });
  return leaf == entries.end() ? 36 : static_cast<uint8_t>(leaf->eax & 0xff);
}

}  // namespace muster::vcpu
