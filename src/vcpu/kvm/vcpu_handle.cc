#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <muster/vcpu/kvm/abi.h>
#include <muster/vcpu/kvm/ioctl_error.h>
#include <muster/vcpu/kvm/vcpu_handle.h>

namespace muster::vcpu {

void VcpuHandle::Unmap::operator()(kvm_run* run) const { munmap(run, bytes); }

absl::StatusOr<VcpuHandle> VcpuHandle::Create(const System& system, const VmHandle& vm, int id) {
  Fd made;
  return Create(system, vm, id, made);
}

absl::StatusOr<VcpuHandle> VcpuHandle::Create(const System& system, const VmHandle& vm, int id,
                                              Fd& made) {
  if (!made.valid()) made = Fd(ioctl(vm.fd(), KVM_CREATE_VCPU, static_cast<unsigned long>(id)));
  if (!made.valid()) return IoctlError("KVM_CREATE_VCPU", errno, id);
  Fd own = made.Duplicate();
  if (!own.valid()) return IoctlError("F_DUPFD_CLOEXEC", errno, id);
  void* run = mmap(nullptr, system.vcpu_mmap_size(), PROT_READ | PROT_WRITE, MAP_SHARED, own.get(),
                   /*offset=*/0);
  if (run == MAP_FAILED) return IoctlError("mmap of kvm_run", errno, id);
  VcpuHandle vcpu(std::move(own), id, static_cast<kvm_run*>(run), system.vcpu_mmap_size());

  if (system.CheckExtension(KVM_CAP_ENFORCE_PV_FEATURE_CPUID)) {
    kvm_enable_cap cap{};
    cap.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID;
    cap.args[0] = 1;
    absl::Status status = vcpu.Ioctl(KVM_ENABLE_CAP, "KVM_CAP_ENFORCE_PV_FEATURE_CPUID", &cap);
    if (!status.ok()) return status;
  }
  return vcpu;
}

bool VcpuHandle::HasKernelApic() const {
  kvm_lapic_state state{};
  return ioctl(fd(), KVM_GET_LAPIC, &state) == 0;
}

absl::Status VcpuHandle::Ioctl(unsigned long request, const char* name, void* argument) const {
  if (ioctl(fd(), request, argument) < 0) return IoctlError(name, errno, id_);
  return absl::OkStatus();
}

template <typename T>
absl::StatusOr<T> VcpuHandle::Get(unsigned long request, const char* name) const {
  T value{};
  absl::Status status = Ioctl(request, name, &value);
  if (!status.ok()) return status;
  return value;
}

template <typename T>
absl::Status VcpuHandle::Set(unsigned long request, const char* name, const T& value) {
  return Ioctl(request, name, const_cast<T*>(&value));  // KVM reads it only
}

absl::Status VcpuHandle::SetSignalMask(const sigset_t& blocked) {
  SignalMaskBuffer mask;
  static_assert(sizeof(sigset_t) >= sizeof(mask.sigset));
  std::memcpy(mask.sigset, &blocked, sizeof(mask.sigset));
  return Ioctl(kSetSignalMask, "KVM_SET_SIGNAL_MASK", &mask);
}

absl::Status VcpuHandle::SetCpuid(std::span<const kvm_cpuid_entry2> entries) {
  CpuidBuffer buffer{};
  if (entries.size() > CpuidBuffer::kMaxEntries) {
    return absl::InvalidArgumentError(fmt::format("vCPU {}: {} CPUID entries, KVM takes {}", id_,
                                                  entries.size(), CpuidBuffer::kMaxEntries));
  }
  buffer.nent = static_cast<uint32_t>(entries.size());
  std::copy(entries.begin(), entries.end(), buffer.entries);
  return Ioctl(kSetCpuid2, "KVM_SET_CPUID2", &buffer);
}

absl::Status VcpuHandle::Interrupt(uint8_t vector) {
  return Set(KVM_INTERRUPT, "KVM_INTERRUPT", kvm_interrupt{.irq = vector});
}

absl::Status VcpuHandle::Nmi() { return Ioctl(KVM_NMI, "KVM_NMI", nullptr); }

absl::StatusOr<kvm_regs> VcpuHandle::GetRegs() const {
  return Get<kvm_regs>(KVM_GET_REGS, "KVM_GET_REGS");
}

absl::Status VcpuHandle::SetRegs(const kvm_regs& regs) {
  return Set(KVM_SET_REGS, "KVM_SET_REGS", regs);
}

absl::StatusOr<kvm_sregs> VcpuHandle::GetSregs() const {
  return Get<kvm_sregs>(KVM_GET_SREGS, "KVM_GET_SREGS");
}

absl::Status VcpuHandle::SetSregs(const kvm_sregs& sregs) {
  return Set(KVM_SET_SREGS, "KVM_SET_SREGS", sregs);
}

absl::StatusOr<kvm_vcpu_events> VcpuHandle::GetEvents() const {
  return Get<kvm_vcpu_events>(KVM_GET_VCPU_EVENTS, "KVM_GET_VCPU_EVENTS");
}

absl::Status VcpuHandle::SetEvents(const kvm_vcpu_events& events) {
  return Set(KVM_SET_VCPU_EVENTS, "KVM_SET_VCPU_EVENTS", events);
}

absl::StatusOr<kvm_debugregs> VcpuHandle::GetDebugRegs() const {
  return Get<kvm_debugregs>(KVM_GET_DEBUGREGS, "KVM_GET_DEBUGREGS");
}

absl::Status VcpuHandle::SetDebugRegs(const kvm_debugregs& debugregs) {
  return Set(KVM_SET_DEBUGREGS, "KVM_SET_DEBUGREGS", debugregs);
}

absl::Status VcpuHandle::SetGuestDebug(const kvm_guest_debug& debug) {
  return Set(KVM_SET_GUEST_DEBUG, "KVM_SET_GUEST_DEBUG", debug);
}

// KVM_GET_MSRS and KVM_SET_MSRS return how many they did before the first that they refused.
absl::StatusOr<uint64_t> VcpuHandle::GetMsr(uint32_t index) const {
  MsrBuffer buffer;
  buffer.entry.index = index;
  const int done = ioctl(fd(), kGetMsrs, &buffer);
  if (done < 0) return IoctlError("KVM_GET_MSRS", errno, id_);
  if (done == 0) {
    return absl::NotFoundError(
        fmt::format("vCPU {}: KVM_GET_MSRS: KVM has no MSR {:#x}", id_, index));
  }
  return buffer.entry.data;
}

absl::Status VcpuHandle::SetMsr(uint32_t index, uint64_t value) {
  MsrBuffer buffer;
  buffer.entry.index = index;
  buffer.entry.data = value;
  const int done = ioctl(fd(), kSetMsrs, &buffer);
  if (done < 0) return IoctlError("KVM_SET_MSRS", errno, id_);
  if (done == 0) {
    return absl::InvalidArgumentError(
        fmt::format("vCPU {}: KVM_SET_MSRS: KVM refuses {:#x} for MSR {:#x}", id_, value, index));
  }
  return absl::OkStatus();
}

absl::StatusOr<kvm_translation> VcpuHandle::Translate(uint64_t linear) const {
  kvm_translation translation{};
  translation.linear_address = linear;
  absl::Status status = Ioctl(KVM_TRANSLATE, "KVM_TRANSLATE", &translation);
  if (!status.ok()) return status;
  return translation;
}

absl::StatusOr<int64_t> VcpuHandle::GetTscOffset() const {
  int64_t offset = 0;
  kvm_device_attr attribute{};
  attribute.group = KVM_VCPU_TSC_CTRL;
  attribute.attr = KVM_VCPU_TSC_OFFSET;
  attribute.addr = reinterpret_cast<uintptr_t>(&offset);
  if (ioctl(fd(), KVM_HAS_DEVICE_ATTR, &attribute) < 0) {
    return absl::UnimplementedError(
        fmt::format("vCPU {}: this KVM has no KVM_VCPU_TSC_OFFSET", id_));
  }
  absl::Status status = Ioctl(KVM_GET_DEVICE_ATTR, "KVM_GET_DEVICE_ATTR(TSC_OFFSET)", &attribute);
  if (!status.ok()) return status;
  return offset;
}

absl::Status VcpuHandle::SetTscOffset(int64_t offset) {
  kvm_device_attr attribute{};
  attribute.group = KVM_VCPU_TSC_CTRL;
  attribute.attr = KVM_VCPU_TSC_OFFSET;
  attribute.addr = reinterpret_cast<uintptr_t>(&offset);
  return Ioctl(KVM_SET_DEVICE_ATTR, "KVM_SET_DEVICE_ATTR(TSC_OFFSET)", &attribute);
}

absl::Status VcpuHandle::MoveTsc(uint32_t msr, uint64_t value) {
  const absl::StatusOr<int64_t> offset = GetTscOffset();
  if (absl::IsUnimplemented(offset.status())) return SetMsr(msr, value);  // the best there is
  if (!offset.ok()) return offset.status();
  const absl::StatusOr<uint64_t> adjust = GetMsr(kIa32TscAdjust);
  if (!adjust.ok()) return adjust.status();
  const absl::StatusOr<uint64_t> before = msr == kIa32TscAdjust ? *adjust : GetMsr(kIa32Tsc);
  if (!before.ok()) return before.status();
  // SDM "Time-Stamp Counter Adjustment": each moves with the other, by as much.
  const uint64_t moved = value - *before;
  absl::Status status = SetTscOffset(static_cast<int64_t>(static_cast<uint64_t>(*offset) + moved));
  return status.ok() ? SetMsr(kIa32TscAdjust, *adjust + moved) : status;
}

absl::Status VcpuHandle::NotePause() {
  // EINVAL: this guest uses no such clock.
  if (ioctl(fd(), KVM_KVMCLOCK_CTRL, 0) < 0 && errno != EINVAL) {
    return IoctlError("KVM_KVMCLOCK_CTRL", errno, id_);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> VcpuHandle::GetTscKhz() const {
  const int khz = ioctl(fd(), KVM_GET_TSC_KHZ, 0);
  if (khz < 0) return IoctlError("KVM_GET_TSC_KHZ", errno, id_);
  if (khz == 0) {
    return absl::UnavailableError(
        fmt::format("vCPU {}: KVM_GET_TSC_KHZ: KVM does not know how fast the TSC is", id_));
  }
  return static_cast<uint32_t>(khz);
}

}  // namespace muster::vcpu
