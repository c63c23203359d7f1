#include <fmt/format.h>
#include <linux/kvm.h>
#include <string>

#include <muster/vcpu/kvm/capabilities.h>

namespace muster::vcpu {

namespace {

struct Required {
  int number;
  const char* name;
  int bits;  // that the capability's value must have
};

// In the order of the kernels that brought them; the last is of Linux 5.10.
constexpr Required kRequired[] = {
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY", 1},
    {KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR", 1},
    {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID", 1},
    {KVM_CAP_USER_NMI, "KVM_CAP_USER_NMI", 1},
    {KVM_CAP_SET_GUEST_DEBUG, "KVM_CAP_SET_GUEST_DEBUG", 1},
    {KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR", 1},
    {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS", 1},
    {KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS", 1},
    {KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM", 1},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT", 1},
    {KVM_CAP_SYNC_REGS, "KVM_CAP_SYNC_REGS", KVM_SYNC_X86_VALID_FIELDS},
    {KVM_CAP_X86_USER_SPACE_MSR, "KVM_CAP_X86_USER_SPACE_MSR", 1},
    {KVM_CAP_X86_MSR_FILTER, "KVM_CAP_X86_MSR_FILTER", 1},
};

}  // namespace

std::vector<Capability> NeededCapabilities(const std::function<int(int)>& check_extension) {
  std::vector<Capability> capabilities;
  for (const Required& needed : kRequired) {
    capabilities.push_back(
        {needed.name, (check_extension(needed.number) & needed.bits) == needed.bits});
  }
  return capabilities;
}

absl::Status CheckCapabilities(const std::function<int(int)>& check_extension) {
  std::string missing;
  for (const Capability& capability : NeededCapabilities(check_extension)) {
    if (capability.present) continue;
    missing += (missing.empty() ? "" : ", ");
    missing += capability.name;
  }
  if (missing.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("this KVM lacks {}; Linux 5.10 and later have them", missing));
}

}  // namespace muster::vcpu
