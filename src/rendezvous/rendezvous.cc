#include <algorithm>
#include <fmt/format.h>

#include <muster/rendezvous/hold.h>
#include <muster/rendezvous/rendezvous.h>

namespace muster::rendezvous {

Rendezvous::Rendezvous(int capacity, Notifier& notifier, const Options& options)
    : capacity_(std::clamp(capacity, 0, CpuSet::kMaxCpus)),
      cores_(sync::AvailableCores()),
      notifier_(notifier),
      options_(options),
      seats_(std::make_unique<Seat[]>(static_cast<size_t>(capacity_))),
      members_(static_cast<size_t>(capacity_)) {}

Rendezvous::~Rendezvous() = default;

absl::Status Rendezvous::Join(int cpu) {
  if (!Known(cpu)) {
    return absl::InvalidArgumentError(
        fmt::format("no vCPU {}: there is room for {}", cpu, capacity_));
  }
  sync::MutexLock lock(mutex_);
  if (joined_.Contains(cpu)) {
    return absl::AlreadyExistsError(fmt::format("vCPU {} has joined already", cpu));
  }
  if (MemberOf(cpu).inside != nullptr) {
    return absl::FailedPreconditionError(
        fmt::format("vCPU {} cannot join: a thread of its earlier life is in the rendezvous", cpu));
  }
  joined_.Add(cpu);
  for (Hold* hold : standstills_) {
    if (hold->wanted.Contains(cpu)) Grip(cpu, *hold);
  }
  sync::Mark("Join", cpu, held_.Contains(cpu));
  if (held_.Contains(cpu)) SetHint(cpu);
  return absl::OkStatus();
}

absl::Status Rendezvous::Leave(int cpu) {
  if (sync::ThisThread().functions_running > 0) {
    return absl::FailedPreconditionError(
        fmt::format("vCPU {} cannot leave inside a function of a rendezvous", cpu));
  }
  sync::MutexLock lock(mutex_);
  if (!joined_.Contains(cpu))
    return absl::NotFoundError(fmt::format("vCPU {} has not joined", cpu));
  joined_.Remove(cpu);
  if (round_.requested.Contains(cpu)) {
    counters_.overruns += Overruns(cpu);
    round_.requested.Remove(cpu);
    round_.outcome.left.Add(cpu);
    SignalIfDone();
  }
  for (Hold* hold : standstills_) hold->held.Remove(cpu);
  if (held_.Contains(cpu)) LetGo(cpu);
  if (waiting_.Contains(cpu)) SeatOf(cpu).spot.Wake();
  sync::Mark("Leave", cpu, round_.requested, held_);
  return absl::OkStatus();
}

void Rendezvous::SetHint(int cpu) {
  sync::Step step(mutex_);
  SeatOf(cpu).pending.Store(true, std::memory_order_seq_cst);
  sync::Mark("SetHint", cpu);
}

void Rendezvous::ClearHint(int cpu) {
  sync::Step step(mutex_);
  SeatOf(cpu).pending.Store(false, std::memory_order_seq_cst);
  sync::Mark("ClearHint", cpu);
}

bool Rendezvous::IsLate(const Call& call) {
  if (call.deadline == sync::kNever || sync::Now() < call.deadline) return false;
  sync::Mark("Late");
  return true;
}

CpuSet Rendezvous::members() const {
  sync::MutexLock lock(mutex_);
  return joined_;
}

Counters Rendezvous::counters() const {
  sync::MutexLock lock(mutex_);
  Counters counters = counters_;
  counters.refused = refused_.Load(std::memory_order_relaxed);  // a count, ordered with nothing
  return counters;
}

std::string Rendezvous::Describe() const {
  sync::MutexLock lock(mutex_);
  std::string text = fmt::format("{} calls so far, ", round_number_);
  if (round_.work == nullptr) {
    text += "none under way";
  } else {
    text += fmt::format("'{}' under way: not started {}, running {}", round_.work->call.name,
                        round_.requested.ToString(), round_.running.ToString());
  }
  text +=
      fmt::format("; members {}, waiting in the library {}, held {} by {} standstills",
                  joined_.ToString(), waiting_.ToString(), held_.ToString(), standstills_.size());
  for (const Turn* turn : queue_) {
    text += fmt::format("; '{}' waits its turn", turn->work.call.name);
  }
  return text;
}

}  // namespace muster::rendezvous
