#include <algorithm>
#include <fmt/format.h>

#include <muster/vcpu/kvm/cpuid.h>
#include <muster/vcpu/run/vm_core.h>

namespace muster::vcpu {

using rendezvous::Call;
using rendezvous::CpuSet;
using rendezvous::Initiator;
using rendezvous::Outcome;
using rendezvous::Runs;

namespace {

constexpr uint8_t kNmiVector = 2;

// The first word of a kPost event.
uint64_t PostedBy(Origin::Kind kind, uint64_t vector, uint8_t pin) {
  return vector | static_cast<uint64_t>(kind) << 8 | uint64_t{pin} << 16;
}

}  // namespace

VmCore::VmCore(const System& system, const VmConfig& config, Clock& clock, VmHandle handle)
    : system_(system),
      config_(config),
      clock_(clock),
      handle_(std::move(handle)),
      memory_(&handle_),
      fabric_(config.cpus, config.ioapic, *this),
      rendezvous_(config.cpus, *this,
                  {.observer = config.observer, .report_after_ns = config.report_waits_after_ns}),
      awake_(config.cpus),
      outside_(config.trace_events) {}

VmCore::~VmCore() {
  for (int cpu = 0; cpu < static_cast<int>(cores_.size()); ++cpu) Left(cpu);
}

absl::StatusOr<VcpuHandle> VmCore::MakeVcpu(int cpu, uint32_t* signature) {
  absl::StatusOr<VcpuHandle> handle = VcpuHandle::Create(system_, handle_, cpu);
  if (!handle.ok()) return handle;
  const auto cpuid = BuildCpuid(system_.supported_cpuid(), {.apic_id = static_cast<uint32_t>(cpu),
                                                            .tsc_deadline = OffersTscDeadline()});
  *signature = Signature(cpuid);
  if (const absl::Status status = handle->SetCpuid(cpuid); !status.ok()) return status;
  return handle;
}

absl::Status VmCore::SetLine(int source, unsigned pin, bool asserted) {
  if (const unsigned pins = config_.ioapic.pins; pin >= pins) {
    return absl::InvalidArgumentError(
        fmt::format("line {}: the I/O APIC has pins 0 to {}", pin, pins - 1));
  }
  return fabric_.ioapic().SetLine(source, pin, asserted);
}

absl::Status VmCore::AddVcpus() {
  for (int cpu = 0; cpu < config_.cpus; ++cpu) {
    uint32_t signature = 0;
    absl::StatusOr<VcpuHandle> handle = MakeVcpu(cpu, &signature);
    if (!handle.ok()) return handle.status();
    const apic::LapicConfig lapic{
        .id = static_cast<uint32_t>(cpu),
        .bootstrap = cpu == 0,
        .x2apic = true,
        .tsc_deadline = OffersTscDeadline(),
        .physical_address_bits = PhysicalAddressBits(system_.supported_cpuid())};
    cores_.push_back(
        std::make_unique<VcpuCore>(*this, cpu, *std::move(handle), lapic, signature, config_));
    vcpus_.emplace_back(*cores_.back());
    if (OffersTscDeadline()) {
      if (const absl::Status status = cores_.back()->ReadTsc(); !status.ok()) return status;
    }
    cores_.back()->AsFirmwareLeaves(x2apic());
    if (const absl::Status status = rendezvous_.Join(cpu); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// ---- the 8259's wire ----------------------------------------------------------------------------

// A rise, and a vCPU that the wire begins to reach:
//   here: the wire is high (its user's store); then this RMW; then the identities are read
//   vCPU: its identity is published; then the RMW in SeeWire; then it looks at the wire
// The RMWs of one word are ordered, and the later one synchronizes with the earlier. If that of
// SeeWire is the later, the vCPU sees the wire high. Else the identity is seen here, and it is
// rung.

void VmCore::ExtIntRaised() {
  wire_rises_.FetchAdd(1, std::memory_order_acq_rel);
  for (int cpu : fabric_.table().Wired()) core(cpu).doorbell().Ring(kRequestWire);
}

void VmCore::SeeWire() { wire_rises_.FetchAdd(0, std::memory_order_acq_rel); }

// ---- what this KVM does -------------------------------------------------------------------------

const HostTraits& VmCore::traits() {
  // Acquire: what it points to was written before the release below.
  if (const HostTraits* known = traits_.Load(std::memory_order_acquire)) return *known;
  sync::MutexLock lock(traits_mutex_);
  if (!probed_) {
    probed_ = config_.traits ? *config_.traits : FindTraits();
    traits_.Store(&*probed_, std::memory_order_release);
  }
  return *probed_;
}

HostTraits VmCore::FindTraits() {
  if (cpus() < system_.max_vcpus()) {
    if (absl::StatusOr<ProbedVm> here = ProbeIn(system_, handle_, cpus()); here.ok()) {
      prober_ = std::move(here->vcpu);
      return here->traits;
    }
  }
  // Without an answer the defaults, right everywhere, if slow.
  return ProbeHost(system_).value_or(HostTraits{});
}

bool VmCore::RdtscObeysOffset() {
  if (config_.traits) return config_.traits->rdtsc_obeys_offset;
  sync::MutexLock lock(traits_mutex_);
  if (!rdtsc_obeys_offset_) {
    rdtsc_obeys_offset_ = ProbeHost(system_).value_or(HostTraits{}).rdtsc_obeys_offset;
  }
  return *rdtsc_obeys_offset_;
}

absl::Status VmCore::MoveProber(int64_t ticks) {
  sync::MutexLock lock(traits_mutex_);
  if (!prober_) return absl::OkStatus();
  const absl::StatusOr<int64_t> offset = prober_->GetTscOffset();
  if (!offset.ok()) return offset.status();
  return prober_->SetTscOffset(*offset + ticks);
}

// ---- who is awake -------------------------------------------------------------------------------

// A deadline wakes its vCPU, which comes to FellAsleep again: while there is one nobody need look.
// That of a sleeping vCPU can also go, with an INIT from outside. Seq_cst in both: of the last to
// fall asleep and the last deadline to go, one at least sees the other.

void VmCore::FellAsleep() {
  if (awake_.FetchSub(1, std::memory_order_seq_cst) == 1 &&
      armed_timers_.Load(std::memory_order_seq_cst) == 0) {
    TellAllAsleep();
  }
}

void VmCore::TimerArmed(bool armed) {
  if (armed) {
    armed_timers_.FetchAdd(1, std::memory_order_seq_cst);
  } else if (armed_timers_.FetchSub(1, std::memory_order_seq_cst) == 1 &&
             awake_.Load(std::memory_order_seq_cst) == 0) {
    TellAllAsleep();
  }
}

void VmCore::TellAllAsleep() {
  if (observer_ != nullptr) observer_->AllAsleep();
}

void VmCore::WokeUp() { awake_.FetchAdd(1, std::memory_order_acq_rel); }

void VmCore::Left(int cpu) {
  // NotFound where it had left already. One that failed stays awake: its caller has the exit in
  // hand, and knows better than that all sleep.
  (void)rendezvous_.Leave(cpu);
}

bool VmCore::CanNeverRunAgain() {
  // With every vCPU borrowed nothing moves: an exact look, or none.
  int borrowed = 0;
  bool asleep = true;
  // In ascending order, so that two who look wait for each other in one direction only.
  while (borrowed < cpus() && core(borrowed).doorbell().Borrow() != Execution::kBorrowed) {
    asleep = asleep && core(borrowed).AsleepForGood();
    ++borrowed;
    if (!asleep) break;
  }
  asleep = asleep && borrowed == cpus();
  // Mail that came in meanwhile: a vCPU that was looked at first may have been rung since. Nobody
  // but the outside can have done that, but the answer is about now.
  for (int cpu = 0; asleep && cpu < cpus(); ++cpu) asleep = core(cpu).AsleepForGood();
  for (int cpu = 0; cpu < borrowed; ++cpu) core(cpu).doorbell().GiveBack();
  return asleep;
}

// ---- stop, look ---------------------------------------------------------------------------------

void VmCore::Stop() {
  for (int cpu = 0; cpu < cpus(); ++cpu) core(cpu).doorbell().Ring(kRequestStop);
  // Those inside Run see the request, leave the rendezvous and return. The others would not until
  // they call Run again, if they ever do: nobody may wait for them.
  for (int cpu = 0; cpu < cpus(); ++cpu) {
    Doorbell& doorbell = core(cpu).doorbell();
    const Execution was = doorbell.Borrow();
    if (was == Execution::kBorrowed) continue;
    if (was == Execution::kFree) Left(cpu);
    doorbell.GiveBack();
  }
}

void VmCore::InspectIdle(CpuSet& cpus, std::vector<Inspection>& into) {
  for (int cpu : CpuSet(cpus)) {
    if (core(cpu).doorbell().TryBorrow() == Execution::kBorrowed) continue;
    into.push_back(core(cpu).Inspect());
    core(cpu).doorbell().GiveBack();
    cpus.Remove(cpu);
  }
}

std::vector<Inspection> VmCore::InspectAll(uint64_t timeout_ns) {
  const uint64_t deadline = sync::After(timeout_ns);
  return InspectBy([&](CpuSet targets, absl::FunctionRef<void(int)> look) {
    return rendezvous_.Execute(
        Initiator::Outside(),
        Call{.targets = targets, .function = look, .deadline = deadline, .name = "inspect"});
  });
}

std::vector<Inspection> VmCore::InspectBy(
    absl::FunctionRef<absl::StatusOr<Outcome>(CpuSet, absl::FunctionRef<void(int)>)> execute) {
  std::vector<Inspection> seen;
  CpuSet rest = CpuSet::FirstN(cpus());
  InspectIdle(rest, seen);
  if (!rest.Empty()) {
    sync::Mutex mutex;
    std::vector<Inspection> met;
    const auto look = [&](int cpu) {
      Inspection inspection = core(cpu).Inspect();
      sync::MutexLock lock(mutex);
      met.push_back(std::move(inspection));
    };
    const absl::StatusOr<Outcome> outcome = execute(rest, look);
    if (outcome.ok()) rest -= outcome->ran;
    seen.insert(seen.end(), met.begin(), met.end());
    InspectIdle(rest, seen);  // those that stopped, or went to sleep, meanwhile
  }
  std::sort(seen.begin(), seen.end(),
            [](const Inspection& a, const Inspection& b) { return a.cpu < b.cpu; });
  return seen;
}

// ---- rendezvous::Notifier -----------------------------------------------------------------------

void VmCore::Notify(int cpu) { core(cpu).doorbell().Ring(kRequestMeet); }

bool VmCore::TryBorrow(int cpu) {
  if (core(cpu).doorbell().TryBorrow() == Execution::kBorrowed) return false;
  if (core(cpu).CanBeActedFor()) return true;
  core(cpu).doorbell().GiveBack();
  return false;
}

void VmCore::GiveBack(int cpu) { core(cpu).doorbell().GiveBack(); }

std::string VmCore::Describe(int cpu) { return core(cpu).Describe(); }

bool VmCore::WakeIsLost(int cpu) {
  // One that was outside Run when it was borrowed has nobody to wake.
  return core(cpu).doorbell().borrowed_asleep() && core(cpu).WakeIsLost();
}

// ---- MessageSink --------------------------------------------------------------------------------

void VmCore::TracePost(const Origin& origin, int cpu, uint64_t vector) {
  if (config_.trace_events == 0) return;
  const uint64_t what = PostedBy(origin.kind, vector, origin.pin);
  if (origin.cpu != kOutside) {
    core(origin.cpu).TracePost(what, cpu);
    return;
  }
  const uint64_t now = clock_.NowNs();  // the user's code: not under the mutex
  sync::MutexLock lock(trace_mutex_);
  outside_.Record(now, EventKind::kPost, kOutside, what, static_cast<uint64_t>(cpu));
}

std::vector<Event> VmCore::OutsideEvents() {
  sync::MutexLock lock(trace_mutex_);
  return outside_.Snapshot();
}

void VmCore::Post(const Origin& origin, int cpu, uint8_t vector, apic::TriggerMode trigger) {
  TracePost(origin, cpu, vector);
  core(cpu).Post(vector, trigger);
}

void VmCore::PostNmi(const Origin& origin, int cpu) {
  TracePost(origin, cpu, kNmiVector);
  core(cpu).PostNmi();
}

void VmCore::PostSmi(int cpu) { core(cpu).PostSmi(); }

void VmCore::PostExtInt(const Origin& origin, int cpu) {
  TracePost(origin, cpu, kPostedExtInt);
  core(cpu).doorbell().Ring(kRequestExtInt);
}

absl::Status VmCore::Meet(const Origin& origin, const CpuSet& targets, const char* name,
                          absl::FunctionRef<void(int cpu)> function) {
  const Initiator initiator =
      origin.cpu == kOutside ? Initiator::Outside() : Initiator::Vcpu(origin.cpu);
  return rendezvous_
      .Execute(
          initiator,
          Call{.targets = targets, .function = function, .runs = Runs::kAnywhere, .name = name})
      .status();
}

absl::Status VmCore::Init(const Origin& origin, const CpuSet& targets) {
  return Meet(origin, targets, "INIT", [this](int cpu) { core(cpu).AcceptInit(); });
}

absl::Status VmCore::Startup(const Origin& origin, const CpuSet& targets, uint8_t vector) {
  return Meet(origin, targets, "SIPI",
              [this, vector](int cpu) { core(cpu).AcceptStartup(vector); });
}

absl::Status VmCore::TakeMail(const Origin& origin, const CpuSet& targets) {
  return Meet(origin, targets, "reroute", [this](int cpu) { core(cpu).AcceptMail(); });
}

}  // namespace muster::vcpu
