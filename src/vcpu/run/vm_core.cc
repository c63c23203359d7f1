#include <algorithm>
#include <fmt/format.h>

#include <muster/vcpu/kvm/cpuid.h>
#include <muster/vcpu/run/loan.h>
#include <muster/vcpu/run/not_cancelled.h>
#include <muster/vcpu/run/stay.h>
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
      fabric_(cpus(), config.ioapic, *this),
      wait_log_(*this),
      rendezvous_(cpus(), *this,
                  {.observer = config.logger != nullptr ? &wait_log_ : config.observer,
                   .report_after_ns = config.report_waits_after_ns}),
      cores_(static_cast<size_t>(cpus())),
      places_(std::make_unique<sync::Atomic<Place>[]>(static_cast<size_t>(cpus()))),
      outside_(config.trace_events) {
  vcpus_.reserve(cores_.size());
  for (int cpu = 0; cpu < cpus(); ++cpu) vcpus_.push_back(Vcpu(*this, cpu));
}

VmCore::~VmCore() {
  for (int cpu : Present()) Left(cpu);
}

absl::Status VmCore::SetLine(int source, unsigned pin, bool asserted) {
  if (const unsigned pins = config_.ioapic.pins; pin >= pins) {
    return absl::InvalidArgumentError(
        fmt::format("line {}: the I/O APIC has pins 0 to {}", pin, pins - 1));
  }
  return fabric_.ioapic().SetLine(source, pin, asserted);
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
  absl::Status found;
  {
    const NotCancelled not_cancelled;  // Run asks
    sync::MutexLock lock(traits_mutex_);
    if (probed_) return *probed_;
    probed_ = config_.traits ? *config_.traits : FindTraits(found);
    traits_.Store(&*probed_, std::memory_order_release);
  }
  const HostTraits& known = *traits_.Load(std::memory_order_acquire);
  if (config_.traits) return known;
  if (found.ok()) {
    Log(Logger::Severity::kInfo,
        fmt::format("this KVM: exact interrupt windows {}, exits on CR8 {}, exits on "
                    "IA32_TSC_DEADLINE {}",
                    known.exact_windows, known.set_tpr_exits, known.tsc_deadline_exits));
  } else {
    Log(Logger::Severity::kWarning,
        fmt::format("what this KVM does could not be found out, and the slowest is assumed: {}",
                    found.ToString()));
  }
  return known;
}

HostTraits VmCore::FindTraits(absl::Status& found) {
  if (cpus() < system_.max_vcpus()) {
    if (absl::StatusOr<ProbedVm> here = ProbeIn(system_, handle_, cpus()); here.ok()) {
      prober_ = std::move(here->vcpu);
      return here->traits;
    }
  }
  // Without an answer the defaults: see HostTraits for what they cost.
  const absl::StatusOr<HostTraits> apart = ProbeHost(system_);
  found = apart.status();
  return apart.value_or(HostTraits{});
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

void VmCore::WaitLog::Waits(const rendezvous::Wait& wait) {
  vm_.Log(Logger::Severity::kWarning, ToString(wait));
  if (vm_.config_.observer != nullptr) vm_.config_.observer->Waits(wait);
}

// ---- stop, look ---------------------------------------------------------------------------------

void VmCore::Stop() {
  {
    sync::MutexLock lock(adding_mutex_);
    stopped_ = true;  // from here on none joins
  }
  for (int cpu : Present()) core(cpu).doorbell().Ring(kRequestStop);
  const sync::ThreadState& thread = sync::ThisThread();
  if (thread.acting_for > 0 || thread.functions_running > 0) {
    // In a callback: none leaves inside a function, and others' borrowers are not waited for here.
    stop_unfinished_.Store(true, std::memory_order_relaxed);  // see FinishStop
    return;
  }
  TakeOutTheFree();
}

void VmCore::Left(int cpu) {
  // NotFound where it had left already. One that failed stays awake: its caller has the exit in
  // hand, and knows better than that all sleep.
  (void)rendezvous_.Leave(cpu);
}

// Those inside Run see the request, leave the rendezvous and return. The others would not until
// they call Run again, if they ever do: nobody may wait for them.
void VmCore::TakeOutTheFree() {
  stop_unfinished_.Store(false, std::memory_order_relaxed);
  for (int cpu : Present()) {
    const Loan loan(core(cpu));
    if (loan.took_free()) Left(cpu);
  }
}

void VmCore::InspectIdle(CpuSet& cpus, std::vector<Inspection>& into) {
  for (int cpu : CpuSet(cpus)) {
    const Loan loan(core(cpu), Loan::Wait::kNo);
    if (!loan.granted()) continue;
    into.push_back(core(cpu).Inspect());
    cpus.Remove(cpu);
  }
}

std::vector<Inspection> VmCore::InspectAll(uint64_t timeout_ns) {
  return InspectBy(Present(), sync::After(timeout_ns),
                   [&](CpuSet targets, absl::FunctionRef<void(int)> look, uint64_t until) {
                     return rendezvous_.Execute(Initiator::Outside(), Call{.targets = targets,
                                                                           .function = look,
                                                                           .deadline = until,
                                                                           .name = "inspect"});
                   })
      .seen;
}

VmCore::Looks VmCore::InspectBy(CpuSet rest, uint64_t deadline, ExecuteLook execute) {
  Looks looks;
  std::vector<Inspection>& seen = looks.seen;
  sync::Mutex mutex;
  std::vector<Inspection> met;
  absl::Status failure;
  const auto look = [&](int cpu) {
    try {
      Inspection inspection = core(cpu).Inspect();
      sync::MutexLock lock(mutex);
      met.push_back(std::move(inspection));
    } catch (const std::bad_alloc&) {  // on the vCPU's thread, which has no part in this
      sync::MutexLock lock(mutex);
      failure = absl::Status(absl::StatusCode::kResourceExhausted, "");
    }
  };
  InspectIdle(rest, seen);
  // In a callback of its loop the caller's own would be waited for in vain.
  if (const Stay* stay = Stay::Of(*this);
      stay != nullptr && stay->where() == Stay::Where::kLoop && rest.Contains(stay->cpu())) {
    rest.Remove(stay->cpu());
    failure = absl::FailedPreconditionError(
        fmt::format("vCPU {} does not stand still: this is a callback of its loop", stay->cpu()));
  }
  // In stretches: one that was asked on its way out of Run stays there, where it can be looked at,
  // and does not come.
  constexpr uint64_t kFirstStretchNs = 2'000'000, kLongestStretchNs = 100'000'000;
  for (uint64_t stretch = kFirstStretchNs; !rest.Empty();
       stretch = std::min(2 * stretch, kLongestStretchNs)) {
    const uint64_t until = std::min(deadline, sync::After(stretch));
    const absl::StatusOr<Outcome> outcome = execute(rest, look, until);
    if (outcome.ok()) rest -= outcome->ran;
    InspectIdle(rest, seen);
    looks.status = outcome.status();
    if (!outcome.ok() || rest.Empty() || until == deadline) break;
    // They have left the rendezvous, and are on their way out of Run: nothing tells when they are.
    if ((rest - outcome->unknown).Empty()) sync::ParkingSpot().Park(0, until);
  }
  looks.status.Update(failure);
  seen.insert(seen.end(), met.begin(), met.end());
  std::sort(seen.begin(), seen.end(),
            [](const Inspection& a, const Inspection& b) { return a.cpu < b.cpu; });
  return looks;
}

// ---- rendezvous::Notifier -----------------------------------------------------------------------

void VmCore::Notify(int cpu) { core(cpu).doorbell().Ring(kRequestMeet); }

bool VmCore::TryBorrow(int cpu) {
  if (core(cpu).doorbell().TryBorrow() == Execution::kBorrowed) return false;
  if (core(cpu).CanBeActedFor()) return true;
  core(cpu).doorbell().GiveBack();
  if (sync::ThisThread().acting_for == 0) FinishStop();
  return false;
}

void VmCore::GiveBack(int cpu) {
  const bool was_free = core(cpu).doorbell().before_borrow() == Execution::kFree;
  core(cpu).doorbell().GiveBack();
  if (was_free && (core(cpu).doorbell().requests() & kRequestMeet) != 0) Freed(cpu);
  if (sync::ThisThread().acting_for == 0) FinishStop();
}

void VmCore::Freed(int cpu) { rendezvous_.Freed(cpu); }

std::string VmCore::Describe(int cpu) { return core(cpu).Describe(); }

// ---- MessageSink --------------------------------------------------------------------------------

void VmCore::TracePost(const Origin& origin, int cpu, uint64_t vector) {
  if (config_.trace_events == 0) return;
  const uint64_t what = PostedBy(origin.kind, vector, origin.pin);
  const uint64_t now = origin.ns != 0 ? origin.ns : clock_.NowNs();
  if (origin.cpu != kOutside) {
    core(origin.cpu).TracePost(now, what, cpu);
    return;
  }
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
  // In a callback of a device it is nobody's who waits: that vCPU has left.
  if (const Stay* stay = Stay::Of(*this);
      stay != nullptr && stay->where() == Stay::Where::kLoop && origin.cpu == kOutside) {
    return absl::FailedPreconditionError(fmt::format(
        "{} sent in a callback on the thread of vCPU {}, inside Run: it may have to wait "
        "for that thread",
        name, stay->cpu()));
  }
  const Initiator initiator =
      origin.cpu == kOutside ? Initiator::Outside() : Initiator::Vcpu(origin.cpu);
  return rendezvous_
      .Execute(initiator, Call{.targets = targets,
                               .function = function,
                               .runs = Runs::kAnywhere,
                               .name = name,
                               // A guest's own wait, for it stands too. Who pauses the guest may
                               // send it an INIT, or a device's message that turns out to be one.
                               .through_standstills = origin.cpu == kOutside})
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
