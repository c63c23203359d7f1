#include <unistd.h>

#include <muster/vcpu/kvm/host_traits.h>

namespace muster::vcpu {

std::optional<HostTraits> TraitsByModule(const std::string& modules) {
  // At most one is there: KVM takes one vendor module, built in or loaded.
  for (const char* module : {"/kvm_intel", "/kvm_amd"}) {
    if (access((modules + module).c_str(), F_OK) == 0) {
      return HostTraits{.exact_windows = true, .set_tpr_exits = true, .rdtsc_obeys_offset = true};
    }
  }
  return std::nullopt;
}

absl::StatusOr<HostTraits> FindHostTraits(const System& system) {
  if (std::optional<HostTraits> traits = TraitsByModule()) return *traits;
  return ProbeHost(system);
}

}  // namespace muster::vcpu
