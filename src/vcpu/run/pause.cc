#include <x86intrin.h>

#include <muster/rendezvous/standstill.h>
#include <muster/vcpu/run/loan.h>
#include <muster/vcpu/run/pause.h>
#include <muster/vcpu/run/vm_core.h>

namespace muster::vcpu {

using rendezvous::Call;
using rendezvous::CpuSet;
using rendezvous::Initiator;
using rendezvous::Outcome;
using rendezvous::Runs;

struct Pause::State {
  VmCore& vm;
  rendezvous::Standstill standstill;
  bool tsc_obeys;                     // HostTraits::rdtsc_obeys_offset
  uint64_t host_tsc;                  // when the pause began
  absl::StatusOr<uint64_t> kvmclock;  // at that time

  VmCore::Looks Look(const CpuSet& cpus);
};

absl::StatusOr<Pause> VmCore::Pause(uint64_t timeout_ns) {
  const bool tsc_obeys = RdtscObeysOffset();  // which may take its time, once
  absl::StatusOr<rendezvous::Standstill> standstill =
      rendezvous_.Stop(rendezvous::Initiator::Outside(), rendezvous::CpuSet::All(),
                       sync::After(timeout_ns), "pause");
  if (!standstill.ok()) return standstill.status();
  auto state = std::make_unique<vcpu::Pause::State>(
      vcpu::Pause::State{*this, *std::move(standstill), tsc_obeys, /*host_tsc=*/0, /*kvmclock=*/0});
  {
    const sync::Barred barred("in Clock::Hold, for which the vCPUs wait");
    clock_.Hold();
  }
  state->host_tsc = __rdtsc();
  state->kvmclock = handle_.GetClock();
  return vcpu::Pause(std::move(state));
}

absl::Status VmCore::ResumeClocks(rendezvous::Standstill& standstill, bool tsc_obeys,
                                  uint64_t host_tsc, const absl::StatusOr<uint64_t>& kvmclock) {
  const auto go_on = [this] {
    const sync::Barred barred("in Clock::Continue, for which the vCPUs wait");
    clock_.Continue();
  };
  absl::Status status;
  try {
    status = SetClocks(standstill, tsc_obeys, host_tsc, kvmclock);
  } catch (...) {  // no memory: a clock that stood for ever would leave the guest no timer
    go_on();
    throw;
  }
  go_on();
  return status;
}

absl::Status VmCore::SetClocks(rendezvous::Standstill& standstill, bool tsc_obeys,
                               uint64_t host_tsc, const absl::StatusOr<uint64_t>& kvmclock) {
  absl::Status status = kvmclock.status();
  if (status.ok()) status = handle_.SetClock(*kvmclock);
  // All by the same amount, so that the vCPUs' counters stay equal.
  const uint64_t passed = tsc_obeys ? __rdtsc() - host_tsc : 0;
  CpuSet standing;
  uint64_t pause;
  {
    // One that joins is given the others' offset: the old one, and then it stands and is among
    // those below, or the new one. It may have been there before, and be among them all the same.
    sync::MutexLock lock(adding_mutex_);
    standing = standstill.standing();
    if (tsc_offset_) *tsc_offset_ -= static_cast<int64_t>(passed);
    pause = ++pauses_;
  }
  sync::Mutex mutex;
  const auto go_on = [&](int cpu) {
    const absl::Status each = core(cpu).GoOnAfterPause(pause, passed);
    sync::MutexLock lock(mutex);
    status.Update(each);
  };
  // Each on a holder of its run lock. Those whose thread sleeps or is outside, whatever they are to
  // do next; then those that are awake, and wait in the standstill.
  for (int cpu : CpuSet(standing)) {
    const Loan loan(core(cpu));
    if (!loan.granted()) continue;
    go_on(cpu);
    standing.Remove(cpu);
  }
  const absl::StatusOr<Outcome> outcome = standstill.Execute(
      Initiator::Outside(),
      Call{.targets = standing, .function = go_on, .runs = Runs::kAnywhere, .name = "resume"});
  status.Update(outcome.status());
  if (passed != 0) status.Update(MoveProber(-static_cast<int64_t>(passed)));
  return status;
}

absl::Status VcpuCore::GoOnAfterPause(uint64_t pause, uint64_t tsc_ticks) {
  if (pauses_ == pause) return absl::OkStatus();  // it has come again since that began to end
  pauses_ = pause;
  if (tsc_ticks != 0) {
    const absl::StatusOr<int64_t> offset = handle_.GetTscOffset();
    if (!offset.ok()) return offset.status();
    const int64_t moved = *offset - static_cast<int64_t>(tsc_ticks);
    if (const absl::Status status = handle_.SetTscOffset(moved); !status.ok()) return status;
    if (tsc_khz_ != 0) tsc_offset_ = moved;
  }
  return handle_.NotePause();
}

Pause::Pause(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pause::Pause(Pause&& other) noexcept = default;

Pause& Pause::operator=(Pause&& other) noexcept {
  if (this == &other) return *this;
  (void)End();
  state_ = std::move(other.state_);
  return *this;
}

Pause::~Pause() {
  try {
    (void)End();
  } catch (...) {  // no memory: the vCPUs go on, but their TSCs may show the pause
  }
}

rendezvous::CpuSet Pause::standing() const {
  return state_ == nullptr ? rendezvous::CpuSet() : state_->standstill.standing();
}

VmCore::Looks Pause::State::Look(const CpuSet& cpus) {
  return vm.InspectBy(
      cpus, sync::kNever,
      [this](CpuSet targets, absl::FunctionRef<void(int)> look, uint64_t until) {
        return standstill.Execute(
            Initiator::Outside(),
            Call{.targets = targets, .function = look, .deadline = until, .name = "inspect"});
      });
}

std::vector<Inspection> Pause::InspectAll() {
  if (state_ == nullptr) return {};
  return state_->Look(state_->vm.Present()).seen;
}

absl::StatusOr<Inspection> Pause::Inspect(int cpu) {
  if (state_ == nullptr) return absl::FailedPreconditionError("Inspect called after Resume");
  if (!state_->vm.IsPresent(cpu)) return VmCore::NotThere(cpu);
  VmCore::Looks looks = state_->Look({cpu});
  if (!looks.seen.empty()) return std::move(looks.seen.front());
  return looks.status.ok() ? VmCore::NotThere(cpu) : looks.status;  // it may have left meanwhile
}

absl::Status Pause::Resume() {
  if (state_ == nullptr) return absl::OkStatus();
  // The vCPUs that are awake have to be asked to set their clocks.
  const absl::Status status = state_->vm.rendezvous().CheckContext();
  return status.ok() ? End() : status;
}

absl::Status Pause::End() {
  if (state_ == nullptr) return absl::OkStatus();
  const std::unique_ptr<State> state = std::move(state_);
  return state->vm.ResumeClocks(state->standstill, state->tsc_obeys, state->host_tsc,
                                state->kvmclock);
  // The standstill ends with `state`.
}

}  // namespace muster::vcpu
