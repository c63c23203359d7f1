#include <fmt/format.h>

#include <muster/apic/ioapic_regs.h>
#include <muster/vcpu/run/loan.h>
#include <muster/vcpu/run/stay.h>
#include <muster/vcpu/run/vcpu.h>
#include <muster/vcpu/run/vm.h>
#include <muster/vcpu/run/vm_core.h>

namespace muster::vcpu {

namespace {

// Waits for other borrowers only: two vCPUs' callbacks may look at each other's.
template <typename Look>
auto WhileBorrowed(VcpuCore& core, Look&& look) -> absl::StatusOr<decltype(look(core))> {
  const Stay* const stay = Stay::Of(core.vm());
  // In a callback of the loop the run lock is the caller's own. In one of a device it is not: who
  // is awake inside then is another thread.
  const bool in_its_loop =
      stay != nullptr && stay->where() == Stay::Where::kLoop && stay->cpu() == core.cpu();
  const Loan loan(core);
  if (loan.granted() || in_its_loop) return look(core);
  return absl::FailedPreconditionError(
      fmt::format("vCPU {} does not stand still: its thread is awake inside Run", core.cpu()));
}

absl::Status CheckMessage(const apic::Message& message) {
  if (message.delivery_mode != apic::DeliveryMode::kReserved) return absl::OkStatus();
  return absl::InvalidArgumentError("a message with delivery mode 3, which is reserved");
}

bool CanKick(int signal) {
  if (signal < 1 || signal >= SIGRTMIN) return false;
  for (const int other : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) {
    if (signal == other) return false;
  }
  return true;
}

}  // namespace

Vm::Vm(std::unique_ptr<VmCore> core) : core_(std::move(core)) {}
Vm::~Vm() = default;

absl::StatusOr<std::unique_ptr<Vm>> Vm::Create(const System& system, const VmConfig& config,
                                               Clock& clock) {
  const int limit = std::min(rendezvous::CpuSet::kMaxCpus, system.max_vcpus());
  for (const int cpus : {config.cpus, std::max(config.cpus, config.max_cpus)}) {
    if (cpus >= 1 && cpus <= limit) continue;
    return absl::InvalidArgumentError(
        fmt::format("{} vCPUs: this KVM and this library take 1 to {}", cpus, limit));
  }
  if (!CanKick(config.kick_signal)) {
    return absl::InvalidArgumentError(fmt::format(
        "kick signal {}: must be one that can be blocked, that no fault raises, and not "
        "a real-time one, which queue",
        config.kick_signal));
  }
  if (config.ioapic.pins < 1 || config.ioapic.pins > apic::kMaxIoApicPins) {
    return absl::InvalidArgumentError(fmt::format("an I/O APIC with {} pins: 1 to {} are possible",
                                                  config.ioapic.pins, apic::kMaxIoApicPins));
  }
  absl::StatusOr<VmHandle> handle =
      config.vm_fd < 0 ? VmHandle::Create(system) : VmHandle::Adopt(system, config.vm_fd);
  if (!handle.ok()) return handle.status();
  auto core = std::make_unique<VmCore>(system, config, clock, *std::move(handle));
  if (const absl::Status status = core->AddVcpus(); !status.ok()) return status;
  return std::unique_ptr<Vm>(new Vm(std::move(core)));
}

int Vm::cpus() const { return core_->cpus(); }
Vcpu& Vm::vcpu(int cpu) { return core_->vcpu(cpu); }
absl::Status Vm::AddVcpu(int cpu) {
  const VmCore::Ringing ringing(*core_);  // mail of its earlier life may go to others
  return core_->AddVcpu(cpu);
}
absl::Status Vm::RemoveVcpu(int cpu) {
  const VmCore::Ringing ringing(*core_);
  return core_->RemoveVcpu(cpu);
}
bool Vm::HasVcpu(int cpu) const { return core_->IsPresent(cpu); }
MemorySlots& Vm::memory() { return core_->memory(); }
absl::Status Vm::SetStart(const StartState& start) {
  const Loan loan(core_->core(0));
  if (loan.took_free()) return core_->core(0).SetStart(start);
  return absl::FailedPreconditionError(
      "SetStart called while a thread is inside Run of vCPU 0: it says where the first Run begins");
}
void Vm::TimerExpired(int cpu) {
  const VmCore::Ringing ringing(*core_);
  if (VcpuCore* core = core_->Find(cpu)) core->doorbell().Ring(kRequestTimer);
}
absl::Status Vm::SendMessage(const apic::Message& message) {
  if (absl::Status status = CheckMessage(message); !status.ok()) return status;
  const VmCore::Ringing ringing(*core_);
  if (const int cpu = Stay::DeviceOf(*core_); cpu != kOutside) {
    return core_->core(cpu).Send(message);  // also of one that has been removed meanwhile
  }
  return core_->fabric().SendMessage(kOutside, message);
}
absl::Status Vm::SendMsi(const apic::Msi& msi) {
  if (!apic::IsMsiAddress(msi.address)) {
    return absl::InvalidArgumentError(
        fmt::format("MSI to {:#x}: the addresses of MSIs are fee00000 to feefffff", msi.address));
  }
  const std::optional<apic::Message> message = apic::ToMessage(msi);
  return message ? SendMessage(*message) : absl::OkStatus();
}
absl::Status Vm::SetLine(unsigned pin, bool asserted) {
  const VmCore::Ringing ringing(*core_);
  if (const int cpu = Stay::DeviceOf(*core_); cpu != kOutside) {
    return core_->core(cpu).SetLine(pin, asserted);
  }
  return core_->SetLine(kOutside, pin, asserted);
}
void Vm::ExtIntRaised() {
  const VmCore::Ringing ringing(*core_);
  core_->ExtIntRaised();
}
apic::IoApic Vm::IoApicState() const { return core_->fabric().ioapic().Snapshot(); }
std::vector<Event> Vm::OutsideEvents() { return core_->OutsideEvents(); }
rendezvous::Counters Vm::meeting_counters() const { return core_->rendezvous().counters(); }
absl::StatusOr<Pause> Vm::Pause(uint64_t timeout_ns) {
  if (const Stay* stay = Stay::Of(*core_)) {
    return absl::FailedPreconditionError(fmt::format(
        "Pause called in a callback on the thread of vCPU {}, which would have to stand still for "
        "it: call it on another thread, or after Run has returned",
        stay->cpu()));
  }
  return core_->Pause(timeout_ns);
}
void Vm::Stop() {
  const VmCore::Ringing ringing(*core_);
  core_->Stop();
}
std::vector<Inspection> Vm::InspectAll(uint64_t timeout_ns) {
  return core_->InspectAll(timeout_ns);
}
bool Vm::CanNeverRunAgain() { return core_->CanNeverRunAgain(); }
void Vm::SetIdleObserver(IdleObserver* observer) { core_->SetIdleObserver(observer); }

Exit Vcpu::WithoutCore() const {
  if (vm_->HasLeft(cpu_)) return StoppedExit{.removed = true};
  return HostErrorExit{VmCore::NotThere(cpu_)};
}
// Run() is in vcpu_core.cc, beside the loop.
Exit Vcpu::Run(Devices& devices) {
  if (VcpuCore* core = vm_->Find(cpu_)) return core->Run(*this, devices);
  return WithoutCore();
}
absl::Status Vcpu::SendMessage(const apic::Message& message) {
  if (absl::Status status = CheckMessage(message); !status.ok()) return status;
  const VmCore::Ringing ringing(*vm_);
  VcpuCore* core = vm_->Find(cpu_);
  return core != nullptr ? core->Send(message) : VmCore::NotThere(cpu_);
}
absl::Status Vcpu::SetLine(unsigned pin, bool asserted) {
  const VmCore::Ringing ringing(*vm_);
  VcpuCore* core = vm_->Find(cpu_);
  return core != nullptr ? core->SetLine(pin, asserted) : VmCore::NotThere(cpu_);
}
absl::Status Vcpu::StartAgain(const StartState& start) {
  const VmCore::Ringing ringing(*vm_);
  VcpuCore* core = vm_->Find(cpu_);
  return core != nullptr ? core->StartAgain(start) : VmCore::NotThere(cpu_);
}
absl::Status Vcpu::Hold() {
  VcpuCore* core = vm_->Find(cpu_);
  return core != nullptr ? core->Hold() : VmCore::NotThere(cpu_);
}
void Vcpu::LetGo() {
  const VmCore::Ringing ringing(*vm_);
  if (VcpuCore* core = vm_->Find(cpu_)) core->doorbell().Ring(kRequestGoOn);
}
absl::StatusOr<Inspection> Vcpu::Inspect() {
  VcpuCore* core = vm_->Find(cpu_);
  if (core == nullptr) return VmCore::NotThere(cpu_);
  return WhileBorrowed(*core, [](VcpuCore& of) { return of.Inspect(); });
}
absl::StatusOr<std::vector<Event>> Vcpu::Events() const {
  VcpuCore* core = vm_->Find(cpu_);
  if (core == nullptr) return VmCore::NotThere(cpu_);
  return WhileBorrowed(*core, [](VcpuCore& of) { return of.Events(); });
}

}  // namespace muster::vcpu
