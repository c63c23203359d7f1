#include <fmt/format.h>
#include <string>

#include <muster/vcpu/capi/c_vm.h>
#include <muster/vcpu/run/not_cancelled.h>
#include <muster/vcpu/run/vcpu.h>

namespace muster::vcpu::capi {

absl::StatusOr<std::unique_ptr<CVm>> CVm::Create(const muster_config& config) {
  if (config.clock.now_ns == nullptr || config.clock.arm == nullptr) {
    return absl::InvalidArgumentError("muster_config.clock: now_ns and arm are needed");
  }
  if ((config.extint.asserted == nullptr) != (config.extint.acknowledge == nullptr)) {
    return absl::InvalidArgumentError(
        "muster_config.extint: asserted and acknowledge are needed, or neither");
  }
  absl::StatusOr<System> system = config.kvm_fd < 0 ? System::Open() : System::Adopt(config.kvm_fd);
  if (!system.ok()) return system.status();
  std::unique_ptr<CVm> made(new CVm(config));
  made->system_ = *std::move(system);
  VmConfig to;
  to.cpus = config.cpus;
  to.max_cpus = config.max_cpus;
  to.vm_fd = config.vm_fd;
  to.kick_signal = config.kick_signal;
  to.kick_stays_blocked = config.kick_stays_blocked != 0;
  to.x2apic = config.x2apic != 0;
  to.tsc_deadline = config.tsc_deadline != 0;
  to.ioapic = {.id = config.ioapic_id, .pins = config.ioapic_pins};
  if (config.extint.asserted != nullptr) to.extint = made.get();
  if (config.log != nullptr) to.logger = made.get();
  absl::StatusOr<std::unique_ptr<Vm>> vm = Vm::Create(*made->system_, to, *made);
  if (!vm.ok()) return vm.status();
  made->vm_ = *std::move(vm);
  if (config.all_asleep != nullptr) made->vm_->SetIdleObserver(made.get());
  return made;
}

absl::Status CVm::NoPlace(int32_t cpu) const {
  return absl::InvalidArgumentError(
      fmt::format("vCPU {}: this VM has room for 0 to {}", cpu, vm_->cpus() - 1));
}

absl::Status CVm::ExtIntRaised() {
  if (config_.extint.asserted == nullptr) {
    return absl::FailedPreconditionError("this VM was made without muster_config.extint");
  }
  vm_->ExtIntRaised();
  return absl::OkStatus();
}

absl::Status CVm::Pause(uint64_t timeout_ns) {
  {
    sync::MutexLock lock(mutex_);
    if (pause_state_ != PauseState::kNone) {
      return absl::FailedPreconditionError("the VM is paused already");
    }
    pause_state_ = PauseState::kBegins;
  }
  try {
    absl::StatusOr<vcpu::Pause> pause = vm_->Pause(timeout_ns);
    if (!pause.ok()) {
      EndPause();
      return pause.status();
    }
    sync::MutexLock lock(mutex_);
    pause_ = *std::move(pause);
    pause_state_ = PauseState::kLasts;
    return absl::OkStatus();
  } catch (...) {
    EndPause();
    throw;
  }
}

absl::Status CVm::Resume() {
  const char* const refused = sync::ThisThread().RefusedBecause();  // to end one: see Pause::Resume
  std::optional<vcpu::Pause> pause;
  {
    sync::MutexLock lock(mutex_);
    if (pause_state_ == PauseState::kBegins) {
      return absl::FailedPreconditionError(
          "a pause begins: it can be ended when muster_vm_pause has returned");
    }
    // Before it is taken out, or who looks is waited for, who may wait for this thread.
    if (pause_ && refused != nullptr) {
      return absl::FailedPreconditionError(fmt::format("called {}: the pause lasts", refused));
    }
    resuming_ = true;
    while (lookers_ > 0) looked_.Wait(mutex_);
    pause_.swap(pause);
    if (pause) pause_state_ = PauseState::kEnds;
    resuming_ = false;
    looked_.Signal();  // another Resume, which finds nothing to do
  }
  if (!pause) return absl::OkStatus();
  try {
    absl::Status status = pause->Resume();
    EndPause();
    return status;
  } catch (...) {
    EndPause();
    throw;
  }
}

absl::StatusOr<Inspection> CVm::Inspect(Vcpu& vcpu) {
  absl::StatusOr<Inspection> seen = vcpu.Inspect();
  if (!absl::IsFailedPrecondition(seen.status())) return seen;
  // Awake inside its run: it may stand there.
  vcpu::Pause* pause = nullptr;
  {
    sync::MutexLock lock(mutex_);
    if (pause_ && !resuming_) {
      pause = &*pause_;
      ++lookers_;
    }
  }
  if (pause == nullptr) return seen;
  try {
    seen = pause->Inspect(vcpu.index());
    EndLook();
    return seen;
  } catch (...) {
    EndLook();
    throw;
  }
}

void CVm::EndLook() {
  sync::MutexLock lock(mutex_);
  if (--lookers_ == 0) looked_.Signal();
}

void CVm::EndPause() {
  sync::MutexLock lock(mutex_);
  pause_state_ = PauseState::kNone;
}

namespace {

// A run without devices relies on it that these are not cancelled.
template <typename Callback>
void Swallowing(Callback&& callback) noexcept {
  const NotCancelled not_cancelled;
  try {
    callback();
  } catch (...) {
  }
}

}  // namespace

uint64_t CVm::NowNs() noexcept {
  uint64_t now = 0;
  Swallowing([&] { now = config_.clock.now_ns(config_.clock.context); });
  return now;
}

void CVm::Arm(int cpu, uint64_t deadline_ns) noexcept {
  Swallowing([&] { config_.clock.arm(config_.clock.context, cpu, deadline_ns); });
}

void CVm::Hold() noexcept {
  if (config_.clock.hold == nullptr) return;
  Swallowing([&] { config_.clock.hold(config_.clock.context); });
}

void CVm::Continue() noexcept {
  if (config_.clock.proceed == nullptr) return;
  Swallowing([&] { config_.clock.proceed(config_.clock.context); });
}

void CVm::Log(Severity severity, std::string_view line) noexcept {
  Swallowing([&] {
    config_.log(config_.log_context,
                severity == Severity::kInfo ? MUSTER_LOG_INFO : MUSTER_LOG_WARNING,
                std::string(line).c_str());
  });
}

void CVm::AllAsleep() noexcept {
  Swallowing([&] { config_.all_asleep(config_.asleep_context); });
}

bool CVm::Asserted() const noexcept {
  bool asserted = false;
  Swallowing([&] { asserted = config_.extint.asserted(config_.extint.context) != 0; });
  return asserted;
}

uint8_t CVm::Acknowledge(int cpu) noexcept {
  uint8_t vector = 0xff;  // what nobody drives
  Swallowing([&] { vector = config_.extint.acknowledge(config_.extint.context, cpu); });
  return vector;
}

muster_port ToC(const PortExit& exit) {
  return {.data = exit.data.data(),
          .count = exit.count,
          .port = exit.port,
          .size = exit.size,
          .is_write = exit.is_write};
}

muster_mmio ToC(const MmioExit& exit) {
  return {.address = exit.address,
          .data = exit.data.data(),
          .size = static_cast<uint32_t>(exit.data.size()),
          .is_write = exit.is_write,
          .reserved = {}};
}

muster_msr ToC(const MsrExit& exit) {
  return {.value = exit.value,
          .fault = exit.fault,
          .index = exit.index,
          .is_write = exit.is_write,
          .reserved = {}};
}

namespace {

// Calls `serve` with what C sees of `exit`.
template <typename Serve, typename AnExit>
Devices::Then Ask(Serve* serve, const muster_devices& devices, muster_vm* handle, Vcpu& vcpu,
                  const AnExit& exit) {
  if (serve == nullptr) return Devices::Then::kReturn;
  const auto seen = ToC(exit);
  return serve(devices.context, handle, vcpu.index(), &seen) == MUSTER_GO_ON
             ? Devices::Then::kGoOn
             : Devices::Then::kReturn;
}

}  // namespace

Devices::Then CDevices::Port(Vcpu& vcpu, const PortExit& exit) {
  return Ask(devices_.port, devices_, handle_, vcpu, exit);
}

Devices::Then CDevices::Mmio(Vcpu& vcpu, const MmioExit& exit) {
  return Ask(devices_.mmio, devices_, handle_, vcpu, exit);
}

Devices::Then CDevices::Msr(Vcpu& vcpu, const MsrExit& exit) {
  return Ask(devices_.msr, devices_, handle_, vcpu, exit);
}

}  // namespace muster::vcpu::capi
