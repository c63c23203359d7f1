#include <fmt/format.h>
#include <utility>

#include <muster/rendezvous/hold.h>
#include <muster/rendezvous/rendezvous.h>

namespace muster::rendezvous {
namespace {

void Nothing(int /*cpu*/) {}

// A stop as a call, whose function is not called.
Call StopOf(const CpuSet& targets, uint64_t deadline, const char* name) {
  return {.targets = targets,
          .function = Nothing,
          .runs = Runs::kAnywhere,
          .deadline = deadline,
          .name = name};
}

}  // namespace

absl::StatusOr<Standstill> Rendezvous::Stop(Initiator initiator, const CpuSet& targets,
                                            uint64_t deadline, const char* name) {
  return StopBy(initiator, StopOf(targets, deadline, name));
}

absl::StatusOr<Standstill> Rendezvous::StopBy(Initiator initiator, const Call& call) {
  auto hold = std::make_unique<Hold>(
      Hold{.name = call.name, .initiator = initiator, .wanted = call.targets});
  absl::StatusOr<Outcome> outcome;
  try {
    outcome = Perform({.initiator = initiator, .call = call, .hold = hold.get()});
  } catch (...) {  // no memory to say who did not come
    Release(*hold);
    throw;
  }
  if (!outcome.ok()) return outcome.status();
  if (hold->granted) return Standstill(*this, std::move(hold));
  Release(*hold);
  if (outcome->withdrawn.Empty()) {
    return absl::DeadlineExceededError("the stop did not have its turn in time");
  }
  std::string message =
      fmt::format("vCPUs {} did not stand still in time:", outcome->withdrawn.ToString());
  for (const Laggard& laggard : outcome->laggards) {
    message += fmt::format(" [{}: {}]", laggard.cpu, laggard.doing);
  }
  return absl::DeadlineExceededError(message);
}

void Rendezvous::Grip(int cpu, Hold& hold) {
  hold.held.Add(cpu);
  if (MemberOf(cpu).holds++ == 0) MemberOf(cpu).held_entry = notifier_.EntriesOf(cpu).made;
  held_.Add(cpu);
}

void Rendezvous::LetGo(int cpu) {
  MemberOf(cpu).holds = 0;
  held_.Remove(cpu);
  if (notifier_.EntriesOf(cpu).made != MemberOf(cpu).held_entry) ++counters_.escapes;
}

void Rendezvous::Release(Hold& hold) {
  sync::MutexLock lock(mutex_);
  std::erase(standstills_, &hold);
  for (int cpu : hold.held) {
    if (--MemberOf(cpu).holds > 0) continue;
    LetGo(cpu);
    if (waiting_.Contains(cpu)) SeatOf(cpu).spot.Wake();
  }
  hold.held = CpuSet();
  sync::Mark("Release", held_, standstills_.size());
  WakeNextTurn();
}

bool Rendezvous::Holds(int cpu) const {
  sync::MutexLock lock(mutex_);
  return held_.Contains(cpu);
}

CpuSet Rendezvous::Standing(const Hold& hold) const {
  sync::MutexLock lock(mutex_);
  return hold.held;
}

Standstill::Standstill(Rendezvous& rendezvous, std::unique_ptr<Hold> hold)
    : rendezvous_(&rendezvous), hold_(std::move(hold)) {}

Standstill::Standstill(Standstill&& other) noexcept = default;

Standstill& Standstill::operator=(Standstill&& other) noexcept {
  if (this == &other) return *this;
  Release();
  rendezvous_ = other.rendezvous_;
  hold_ = std::move(other.hold_);
  return *this;
}

Standstill::~Standstill() { Release(); }

void Standstill::Release() {
  if (hold_ == nullptr) return;
  rendezvous_->Release(*hold_);
  hold_.reset();
}

CpuSet Standstill::standing() const {
  return hold_ == nullptr ? CpuSet() : rendezvous_->Standing(*hold_);
}

absl::StatusOr<Outcome> Standstill::Execute(Initiator initiator, const Call& call) {
  if (hold_ == nullptr) return absl::FailedPreconditionError("the standstill has been released");
  Call through = call;
  through.through_standstills = true;
  return rendezvous_->Execute(initiator, through);
}

absl::StatusOr<Standstill> Standstill::Stop(Initiator initiator, const CpuSet& targets,
                                            uint64_t deadline, const char* name) {
  if (hold_ == nullptr) return absl::FailedPreconditionError("the standstill has been released");
  Call through = StopOf(targets, deadline, name);
  through.through_standstills = true;
  return rendezvous_->StopBy(initiator, through);
}

}  // namespace muster::rendezvous
