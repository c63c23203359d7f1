#include <fmt/format.h>

#include <muster/apic/ioapic_regs.h>
#include <muster/vcpu/run/vcpu.h>
#include <muster/vcpu/run/vm.h>
#include <muster/vcpu/run/vm_core.h>

namespace muster::vcpu {

namespace {

// Waits while the vCPU's thread is awake inside Run.
template <typename Look>
auto WhileBorrowed(VcpuCore& core, Look&& look) {
  while (core.doorbell().TryBorrow() == Execution::kBorrowed) sync::Yield();
  auto seen = look(core);
  core.doorbell().GiveBack();
  return seen;
}

}  // namespace

Vm::Vm(std::unique_ptr<VmCore> core) : core_(std::move(core)) {}
Vm::~Vm() = default;

absl::StatusOr<std::unique_ptr<Vm>> Vm::Create(const System& system, const VmConfig& config,
                                               Clock& clock) {
  const int limit = std::min(rendezvous::CpuSet::kMaxCpus, system.max_vcpus());
  if (config.cpus < 1 || config.cpus > limit) {
    return absl::InvalidArgumentError(
        fmt::format("{} vCPUs: this KVM and this library take 1 to {}", config.cpus, limit));
  }
  if (config.kick_signal < 1 || config.kick_signal >= SIGRTMIN || config.kick_signal == SIGKILL ||
      config.kick_signal == SIGSTOP) {
    return absl::InvalidArgumentError(fmt::format(
        "kick signal {}: must be one that can be blocked, and not a real-time one, which queue",
        config.kick_signal));
  }
  if (config.ioapic.pins < 1 || config.ioapic.pins > apic::kMaxIoApicPins) {
    return absl::InvalidArgumentError(fmt::format("an I/O APIC with {} pins: 1 to {} are possible",
                                                  config.ioapic.pins, apic::kMaxIoApicPins));
  }
  absl::StatusOr<VmHandle> handle = VmHandle::Create(system);
  if (!handle.ok()) return handle.status();
  auto core = std::make_unique<VmCore>(system, config, clock, *std::move(handle));
  if (const absl::Status status = core->AddVcpus(); !status.ok()) return status;
  return std::unique_ptr<Vm>(new Vm(std::move(core)));
}

int Vm::cpus() const { return core_->cpus(); }
Vcpu& Vm::vcpu(int cpu) { return core_->vcpu(cpu); }
MemorySlots& Vm::memory() { return core_->memory(); }
void Vm::SetStart(const StartState& start) { core_->core(0).SetStart(start); }
void Vm::TimerExpired(int cpu) { core_->core(cpu).doorbell().Ring(kRequestTimer); }
absl::Status Vm::SendMessage(const apic::Message& message) {
  return core_->fabric().SendMessage(kOutside, message);
}
absl::Status Vm::SetLine(unsigned pin, bool asserted) {
  return core_->SetLine(kOutside, pin, asserted);
}
void Vm::ExtIntRaised() { core_->ExtIntRaised(); }
apic::IoApic Vm::IoApicState() const { return core_->fabric().ioapic().Snapshot(); }
std::vector<Event> Vm::OutsideEvents() { return core_->OutsideEvents(); }
rendezvous::Counters Vm::meeting_counters() const { return core_->rendezvous().counters(); }
absl::StatusOr<Pause> Vm::Pause(uint64_t timeout_ns) { return core_->Pause(timeout_ns); }
void Vm::Stop() { core_->Stop(); }
std::vector<Inspection> Vm::InspectAll(uint64_t timeout_ns) {
  return core_->InspectAll(timeout_ns);
}
bool Vm::CanNeverRunAgain() { return core_->CanNeverRunAgain(); }
void Vm::SetIdleObserver(IdleObserver* observer) { core_->SetIdleObserver(observer); }

int Vcpu::index() const { return core_->cpu(); }
Exit Vcpu::Run() { return core_->Run(); }
absl::Status Vcpu::SendMessage(const apic::Message& message) { return core_->Send(message); }
absl::Status Vcpu::SetLine(unsigned pin, bool asserted) { return core_->SetLine(pin, asserted); }
absl::Status Vcpu::StartAgain(const StartState& start) { return core_->StartAgain(start); }
absl::Status Vcpu::Hold() { return core_->Hold(); }
void Vcpu::LetGo() { core_->doorbell().Ring(kRequestGoOn); }
Inspection Vcpu::Inspect() {
  return WhileBorrowed(*core_, [](VcpuCore& core) { return core.Inspect(); });
}
std::vector<Event> Vcpu::Events() const {
  return WhileBorrowed(*core_, [](VcpuCore& core) { return core.Events(); });
}

}  // namespace muster::vcpu
