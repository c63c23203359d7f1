#pragma once

#include <memory>
#include <optional>

#include <muster/rendezvous/sync.h>
#include <muster/vcpu/capi/muster.h>
#include <muster/vcpu/kvm/system.h>
#include <muster/vcpu/run/clock.h>
#include <muster/vcpu/run/devices.h>
#include <muster/vcpu/run/extint.h>
#include <muster/vcpu/run/logger.h>
#include <muster/vcpu/run/pause.h>
#include <muster/vcpu/run/vcpu.h>
#include <muster/vcpu/run/vm.h>

namespace muster::vcpu::capi {

// A VM behind a handle: the C callbacks as what a Vm takes.
class CVm final : public Clock, public Logger, public Vm::IdleObserver, public ExtIntSource {
 public:
  static absl::StatusOr<std::unique_ptr<CVm>> Create(const muster_config& config);

  Vm& vm() { return *vm_; }
  // InvalidArgument where the VM has no such place.
  absl::StatusOr<Vcpu*> Find(int32_t cpu) {
    Vcpu& vcpu = vm_->vcpu(cpu);  // one whose index is -1, if there is no such place
    if (vcpu.index() == cpu && cpu >= 0) [[likely]]
      return &vcpu;
    return NoPlace(cpu);
  }

  absl::Status Pause(uint64_t timeout_ns) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Resume() ABSL_LOCKS_EXCLUDED(mutex_);
  // Through the pause, if there is one.
  absl::StatusOr<Inspection> Inspect(Vcpu& vcpu) ABSL_LOCKS_EXCLUDED(mutex_);

  // FailedPrecondition where muster_config.extint is not set.
  absl::Status ExtIntRaised();

  // Of the callbacks only Devices may throw; what these throw ends here.
  uint64_t NowNs() noexcept override;
  void Arm(int cpu, uint64_t deadline_ns) noexcept override;
  void Hold() noexcept override;
  void Continue() noexcept override;
  void Log(Severity severity, std::string_view line) noexcept override;
  void AllAsleep() noexcept override;
  bool Asserted() const noexcept override;
  uint8_t Acknowledge(int cpu) noexcept override;

  muster_vm* handle = nullptr;  // this one's

 private:
  explicit CVm(const muster_config& config) : config_(config) {}
  absl::Status NoPlace(int32_t cpu) const;
  void EndPause() ABSL_LOCKS_EXCLUDED(mutex_);
  void EndLook() ABSL_LOCKS_EXCLUDED(mutex_);

  const muster_config config_;
  std::optional<System> system_;
  std::unique_ptr<Vm> vm_;

  sync::Mutex mutex_;
  enum class PauseState { kNone, kBegins, kLasts, kEnds };  // one at a time
  PauseState pause_state_ ABSL_GUARDED_BY(mutex_) = PauseState::kNone;
  std::optional<vcpu::Pause> pause_ ABSL_GUARDED_BY(mutex_);
  int lookers_ ABSL_GUARDED_BY(mutex_) = 0;        // which use *pause_ without the mutex
  bool resuming_ ABSL_GUARDED_BY(mutex_) = false;  // no more of them
  sync::CondVar looked_;                           // Resume waits for them
};

// muster_devices as Devices, for the time of one run.
class CDevices final : public Devices {
 public:
  CDevices(muster_vm* handle, const muster_devices& devices) : handle_(handle), devices_(devices) {}

  Then Port(Vcpu& vcpu, const PortExit& exit) override;
  Then Mmio(Vcpu& vcpu, const MmioExit& exit) override;
  Then Msr(Vcpu& vcpu, const MsrExit& exit) override;

 private:
  muster_vm* const handle_;
  const muster_devices& devices_;
};

muster_port ToC(const PortExit& exit);
muster_mmio ToC(const MmioExit& exit);
muster_msr ToC(const MsrExit& exit);

}  // namespace muster::vcpu::capi
