#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>

#include <muster/vcpu/kvm/abi.h>
#include <muster/vcpu/kvm/capabilities.h>
#include <muster/vcpu/kvm/ioctl_error.h>
#include <muster/vcpu/kvm/open_error.h>
#include <muster/vcpu/kvm/system.h>

namespace muster::vcpu {

Survey SurveyHost(const std::string& path) {
  Survey survey;
  const Fd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) {
    survey.usable = OpenError(path, errno);
    return survey;
  }
  survey.opened = true;
  survey.api_version = ioctl(fd.get(), KVM_GET_API_VERSION, 0);
  if (survey.api_version == KVM_API_VERSION) {
    survey.capabilities = NeededCapabilities(
        [&fd](int number) { return std::max(0, ioctl(fd.get(), KVM_CHECK_EXTENSION, number)); });
  }
  survey.usable = System::Open(path).status();
  return survey;
}

absl::StatusOr<System> System::Open(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return OpenError(path, errno);
  return FromDevice(std::move(fd), path);
}

absl::StatusOr<System> System::Adopt(int fd) {
  Fd duplicate(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!duplicate.valid()) {
    return IoctlError(fmt::format("duplicating KVM's descriptor {}", fd).c_str(), errno);
  }
  return FromDevice(std::move(duplicate), fmt::format("descriptor {}", fd));
}

absl::StatusOr<System> System::FromDevice(Fd fd, const std::string& name) {
  System system;
  system.fd_ = std::move(fd);
  const int version = ioctl(system.fd(), KVM_GET_API_VERSION, 0);
  if (version < 0) {
    return absl::FailedPreconditionError(fmt::format(
        "{} is not KVM: it does not answer KVM_GET_API_VERSION; name KVM's own device", name));
  }
  if (version != KVM_API_VERSION) {
    return absl::FailedPreconditionError(
        fmt::format("{} speaks version {} of the KVM API, not {}", name, version, KVM_API_VERSION));
  }
  absl::Status status =
      CheckCapabilities([&system](int number) { return system.CheckExtension(number); });
  if (status.ok()) status = system.ReadLimits();
  if (!status.ok()) return status;
  return system;
}

int System::CheckExtension(int capability) const {
  return std::max(0, ioctl(fd(), KVM_CHECK_EXTENSION, capability));
}

absl::Status System::ReadLimits() {
  const int bytes = ioctl(fd(), KVM_GET_VCPU_MMAP_SIZE, 0);
  if (bytes < 0) return IoctlError("KVM_GET_VCPU_MMAP_SIZE", errno);
  if (bytes < static_cast<int>(sizeof(kvm_run))) {
    return absl::FailedPreconditionError(
        fmt::format("KVM_GET_VCPU_MMAP_SIZE gives {} bytes, less than struct kvm_run", bytes));
  }
  vcpu_mmap_size_ = static_cast<size_t>(bytes);
  max_vcpus_ = CheckExtension(KVM_CAP_MAX_VCPUS);
  max_vcpu_ids_ = std::max(max_vcpus_, CheckExtension(KVM_CAP_MAX_VCPU_ID));

  CpuidBuffer buffer{};
  buffer.nent = CpuidBuffer::kMaxEntries;
  if (ioctl(fd(), kGetSupportedCpuid, &buffer) < 0) {
    return IoctlError("KVM_GET_SUPPORTED_CPUID", errno);
  }
  supported_cpuid_.assign(buffer.entries, buffer.entries + buffer.nent);
  return absl::OkStatus();
}

}  // namespace muster::vcpu
