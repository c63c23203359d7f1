#pragma once

#include <absl/status/statusor.h>
#include <cstddef>
#include <linux/kvm.h>
#include <string>
#include <vector>

#include <muster/vcpu/kvm/capabilities.h>
#include <muster/vcpu/kvm/fd.h>

namespace muster::vcpu {

// The open KVM device and what it offers. Immutable once open; any number of VMs and threads may
// share it.
class System {
 public:
  // Fails with PermissionDenied or NotFound where there is no device to open, FailedPrecondition
  // where `path` is not KVM or KVM lacks something that this library cannot do without, by name.
  // What follows the first ';' of the message mends it.
  static absl::StatusOr<System> Open(const std::string& path = "/dev/kvm");

  // The same for a device that the caller has open. This keeps a duplicate; `fd` stays the
  // caller's.
  static absl::StatusOr<System> Adopt(int fd);

  // The device; it stays this object's.
  int fd() const { return fd_.get(); }
  // KVM_CAP_MAX_VCPUS: how many a VM may have.
  int max_vcpus() const { return max_vcpus_; }
  int max_vcpu_ids() const { return max_vcpu_ids_; }         // vCPU ids are below this
  size_t vcpu_mmap_size() const { return vcpu_mmap_size_; }  // bytes of a vCPU's kvm_run mapping
  // KVM_GET_SUPPORTED_CPUID.
  const std::vector<kvm_cpuid_entry2>& supported_cpuid() const { return supported_cpuid_; }

  // KVM_CHECK_EXTENSION: 0 where absent, else what the capability defines.
  int CheckExtension(int capability) const;

 private:
  System() = default;
  static absl::StatusOr<System> FromDevice(Fd fd, const std::string& name);

  absl::Status ReadLimits();

  Fd fd_;
  int max_vcpus_ = 0;
  int max_vcpu_ids_ = 0;
  size_t vcpu_mmap_size_ = 0;
  std::vector<kvm_cpuid_entry2> supported_cpuid_;
};

// What keeps System::Open from succeeding, one thing at a time, for a person who has to mend it.
struct Survey {
  bool opened = false;
  int api_version = -1;                  // as KVM_GET_API_VERSION says; -1 where `path` is not KVM
  std::vector<Capability> capabilities;  // empty where the version is not the one that is needed
  absl::Status usable;                   // of System::Open
};
// Opens `path` for as long as this takes. Nothing is an error here: all is in the Survey.
Survey SurveyHost(const std::string& path = "/dev/kvm");

}  // namespace muster::vcpu
