#include <csignal>
#include <cstring>
#include <fmt/format.h>

#include <muster/vcpu/kvm/memory_slots.h>
#include <muster/vcpu/run/vcpu.h>
#include <muster/vmm/load/mp_table.h>
#include <muster/vmm/machine/defects.h>
#include <muster/vmm/machine/machine.h>
#include <muster/vmm/report/os_error.h>

namespace muster::vmm {
namespace {

constexpr size_t kThreadStackBytes = size_t{512} * 1024;

// The number of the vCPU that the calling thread runs, if it runs one.
thread_local int this_thread_runs = -1;

}  // namespace

Machine::Machine(const MachineConfig& config, GuestMemory memory)
    : config_(config),
      memory_(std::move(memory)),
      timer_(config.cpus, PcDevices::kTimers),
      pit_deadline_(timer_, config.cpus + PcDevices::kPitTimer),
      rtc_deadline_(timer_, config.cpus + PcDevices::kRtcTimer),
      devices_(*this, *this, {pit_deadline_, rtc_deadline_}, *config.serial, memory_, config.cpus),
      cpus_(static_cast<size_t>(config.cpus)) {}

Machine::~Machine() {
  End({.kind = Ending::Kind::kInterrupted, .detail = "the machine was destroyed"});
  Finish();
}

absl::StatusOr<std::unique_ptr<Machine>> Machine::Create(const vcpu::System& system,
                                                         const MachineConfig& config,
                                                         GuestMemory memory,
                                                         const vcpu::StartState& start) {
  std::unique_ptr<Machine> machine(new Machine(config, std::move(memory)));
  if (machine->news_.fd() < 0) {
    return absl::ResourceExhaustedError(fmt::format("eventfd: {}", OsError()));
  }
  vcpu::VmConfig vm_config;
  vm_config.cpus = config.cpus;
  vm_config.kick_signal = SIGUSR1;
  vm_config.kick_stays_blocked = true;
  vm_config.trace_events = config.trace_events;
  vm_config.trace_rip = config.trace_rip;
  vm_config.observer = config.observer;
  vm_config.extint = machine.get();
  // The register has four bits of it.
  vm_config.ioapic.id = IoApicIdFor(config.cpus) & 0xf;
  vm_config.tsc_deadline = true;
  auto vm = vcpu::Vm::Create(system, vm_config, machine->timer_);
  if (!vm.ok()) return vm.status();
  machine->vm_ = *std::move(vm);
  for (const GuestMemory::Region& region : machine->memory_.regions()) {
    absl::Status status = machine->vm_->memory().Add(region.base, region.host);
    if (!status.ok()) return status;
  }
  absl::Status status =
      machine->vm_->memory().Add(BootRom::kBase, machine->rom_, /*read_only=*/true);
  if (!status.ok()) return status;
  status = machine->vm_->SetStart(start);
  if (!status.ok()) return status;
  machine->vm_->SetIdleObserver(machine.get());
  return machine;
}

absl::Status Machine::Start() {
  // Without input it may be that all sleep for good, and nobody has looked since they fell asleep.
  devices_.Start([this] { AllAsleep(); });
  timer_.Start([this](int number) {
    if (number < config_.cpus) return vm_->TimerExpired(number);
    devices_.TimerExpired(static_cast<PcDevices::Timer>(number - config_.cpus));
    // All may sleep for good now that it does not run any more, and nobody has looked since.
    if (!devices_.MayInterrupt()) AllAsleep();
  });
  start_ns_ = NowNs();

  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kThreadStackBytes);
  absl::Status status = absl::OkStatus();
  // The bootstrap processor last: when the guest's first instruction runs, all CPUs are there.
  for (int index = config_.cpus - 1; index >= 0 && status.ok(); --index) {
    Cpu& cpu = cpus_[static_cast<size_t>(index)];
    cpu.machine = this;
    cpu.index = index;
    live_.fetch_add(1, std::memory_order_relaxed);  // its thread's creation publishes it
    const int error = pthread_create(&cpu.thread, &attributes, CpuMain, &cpu);
    cpu.started = error == 0;
    if (!cpu.started) {
      live_.fetch_sub(1, std::memory_order_relaxed);
      status = absl::ResourceExhaustedError(
          fmt::format("pthread_create for vCPU {}: {}", index, OsError(error)));
    }
  }
  pthread_attr_destroy(&attributes);
  if (!status.ok()) {
    End({.kind = Ending::Kind::kHostFailure, .detail = std::string(status.message())});
    Finish();
  }
  return status;
}

void Machine::End(Ending ending) {
  {
    sync::MutexLock lock(mutex_);
    // The last of the output is written when the guest has ended: who misses some is not to take
    // it for whole.
    const bool lost_last = ending_ && ending.kind == Ending::Kind::kOutputLost && IsPass(*ending_);
    if (ending_ && !lost_last) return;
    ending_ = std::move(ending);
  }
  if (vm_) vm_->Stop();
  Notify();
}

std::optional<Ending> Machine::ending() const {
  sync::MutexLock lock(mutex_);
  return ending_;
}

void Machine::Notify() { news_.Signal(); }

void Machine::AllAsleep() {
  if (config_.gates != nullptr) config_.gates->AllAsleep();
  all_asleep_.store(true, std::memory_order_release);
  Notify();
}

void Machine::Tend() {
  ++tended_;
  news_.Clear();
  // The exchange comes first: an AllAsleep after it is news again.
  if (!all_asleep_.exchange(false, std::memory_order_acq_rel)) return;
  if (!devices_.MayInterrupt() && vm_->CanNeverRunAgain()) {
    End({.kind = Ending::Kind::kNoProgress, .detail = "no CPU can ever run again"});
  }
}

absl::Status Machine::Pause(uint64_t timeout_ns) {
  absl::StatusOr<vcpu::Pause> pause = vm_->Pause(timeout_ns);
  if (!pause.ok()) return pause.status();
  pause_ = *std::move(pause);
  return absl::OkStatus();
}

absl::Status Machine::Resume() {
  if (!pause_) return absl::OkStatus();
  const absl::Status status = pause_->Resume();
  pause_.reset();
  return status;
}

void Machine::SetLine(unsigned line, bool asserted) {
  const absl::Status status = this_thread_runs >= 0
                                  ? vm_->vcpu(this_thread_runs).SetLine(line, asserted)
                                  : vm_->SetLine(line, asserted);
  if (!status.ok() && !ending()) {
    End({.kind = Ending::Kind::kHostFailure,
         .detail = fmt::format("interrupt line {}: {}", line, status.ToString())});
  }
}

void Machine::SoftReset() {
  const apic::Message init{
      .destination = UINT32_MAX, .x2apic = true, .delivery_mode = apic::DeliveryMode::kInit};
  const absl::Status status = this_thread_runs >= 0 ? vm_->vcpu(this_thread_runs).SendMessage(init)
                                                    : vm_->SendMessage(init);
  if (!status.ok() && !ending()) {
    End({.kind = Ending::Kind::kHostFailure,
         .detail = fmt::format("soft reset: {}", status.ToString())});
  }
}

void Machine::Restart() {
  if (!config_.reload) {
    End({.kind = Ending::Kind::kReset, .detail = "soft reset, with no image to start again"});
    return;
  }
  SoftReset();  // whoever came here by an INIT of its own has left the others running
  devices_.AsFirmwareLeaves();
  absl::StatusOr<vcpu::StartState> start = config_.reload(memory_);
  const absl::Status status = start.ok() ? vm_->vcpu(0).StartAgain(*start) : start.status();
  if (!status.ok()) {
    End({.kind = Ending::Kind::kHostFailure,
         .detail = fmt::format("starting the image again: {}", status.ToString())});
    return;
  }
  restarts_.fetch_add(1, std::memory_order_relaxed);
}

void Machine::Finish() {
  if (joined_) return;
  joined_ = true;
  (void)Resume();  // or the vCPUs would stand for ever
  for (Cpu& cpu : cpus_) {
    if (cpu.started) pthread_join(cpu.thread, nullptr);
  }
  timer_.Stop();
  devices_.Stop();
  // However the guest ended, nothing of it is to be believed then.
  std::string defects = vm_ ? DescribeDefects(vm_->meeting_counters()) : "";
  if (!defects.empty()) {
    sync::MutexLock lock(mutex_);
    if (ending_ && !IsPass(*ending_)) {
      defects += fmt::format("; it had ended by {}: {}", ToString(ending_->kind), ending_->detail);
    }
    ending_ = Ending{.kind = Ending::Kind::kDefect, .detail = std::move(defects)};
  }
}

std::vector<vcpu::Inspection> Machine::Inspect(uint64_t timeout_ns) {
  if (!joined_) return vm_->InspectAll(timeout_ns);
  std::vector<vcpu::Inspection> all;
  for (const Cpu& cpu : cpus_) {
    if (cpu.last) all.push_back(*cpu.last);
  }
  return all;
}

std::vector<std::vector<vcpu::Event>> Machine::Events() const {
  std::vector<std::vector<vcpu::Event>> all;
  all.reserve(cpus_.size());
  for (const Cpu& cpu : cpus_) all.push_back(cpu.events);
  return all;
}

std::vector<GuestFault> Machine::Faults() const {
  std::vector<GuestFault> all;
  for (const Cpu& cpu : cpus_) {
    if (cpu.fault) all.push_back(*cpu.fault);
  }
  return all;
}

void* Machine::CpuMain(void* argument) {
  Cpu& cpu = *static_cast<Cpu*>(argument);
  pthread_setname_np(pthread_self(), fmt::format("cpu {}", cpu.index).c_str());
  cpu.machine->RunCpu(cpu);
  return nullptr;
}

void Machine::RunCpu(Cpu& cpu) {
  this_thread_runs = cpu.index;
  vcpu::Vcpu& vcpu = vm_->vcpu(cpu.index);
  for (bool more = true; more;) {
    vcpu::Exit exit = vcpu.Run();
    more = Serve(cpu.index, exit);
  }
  // Here and not by whoever reports: to KVM this thread is the vCPU's own.
  if (auto last = vcpu.Inspect(); last.ok()) cpu.last = *std::move(last);
  if (auto events = vcpu.Events(); events.ok()) cpu.events = *std::move(events);
  // Release: who sees 0 sees the lines above.
  if (live_.fetch_sub(1, std::memory_order_acq_rel) == 1) Notify();
}

}  // namespace muster::vmm
