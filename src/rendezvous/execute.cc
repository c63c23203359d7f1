#include <algorithm>
#include <array>
#include <cstdio>
#include <fmt/format.h>

#include <muster/rendezvous/hold.h>
#include <muster/rendezvous/rendezvous.h>

// The initiator's side.
namespace muster::rendezvous {

absl::StatusOr<Outcome> Rendezvous::Execute(Initiator initiator, const Call& call) {
  return Perform({.initiator = initiator, .call = call, .hold = nullptr});
}

absl::StatusOr<Outcome> Rendezvous::Perform(const Work& work) {
  const Initiator initiator = work.initiator;
  const Call& call = work.call;
  if (absl::Status status = CheckContext(); !status.ok()) return status;
  if (initiator.is_vcpu() && !Known(initiator.cpu())) {
    return absl::InvalidArgumentError(fmt::format("no vCPU {}", initiator.cpu()));
  }
  if (work.hold == nullptr && call.targets.Empty()) return Outcome();
  Vigil vigil = VigilOf(initiator, call.name);
  Outcome outcome;
  std::array<char, 80> behind{};  // copied: what it waited for may be over before it is told
  CpuSet standing;                // of a stop of which no wake was found to be lost
  bool gone = false;
  {
    sync::MutexLock lock(mutex_);
    MakeRoom();
    if (initiator.is_vcpu()) {
      if (absl::Status status = Enter(initiator.cpu()); !status.ok()) return status;
    }
    sync::ParkingSpot& spot = initiator.is_vcpu() ? SeatOf(initiator.cpu()).spot : TakeSpot();
    const Turn turn{work, spot};
    queue_.push_back(&turn);  // from here to the end of the round nothing throws
    sync::Mark("Queue", call.targets, work.hold != nullptr, call.runs == Runs::kAnywhere,
               call.through_standstills, call.deadline);
    if (AwaitTurn(vigil, turn)) {
      Publish(turn);
      AskTargets(initiator);
      AwaitTargets(vigil);
      const CpuSet lost = round_.lost_wakes;
      counters_.lost_wakes += static_cast<uint64_t>(lost.Count());
      outcome = EndRound();
      if (work.hold != nullptr && outcome.withdrawn.Empty()) {
        work.hold->granted = true;
        ++counters_.stops;
        standing = outcome.ran - lost;
      }
    } else {
      std::snprintf(behind.data(), behind.size(), "%s", Ahead(turn).name);
      outcome = GiveUpTurn(turn);
      // The standstill that made it miss its deadline may hold its vCPU, which cannot go on then.
      if (initiator.is_vcpu() && !call.through_standstills) AwaitRelease(vigil);
      gone = initiator.is_vcpu() && !joined_.Contains(initiator.cpu());
    }
    if (initiator.is_vcpu()) {
      MemberOf(initiator.cpu()).inside = nullptr;
      // By its own stop, or by another's while it waited for its turn through a standstill.
      if (held_.Contains(initiator.cpu())) SetHint(initiator.cpu());
    } else {
      idle_spots_.push_back(&spot);
    }
    sync::Mark("Return");
  }
  if (gone) {
    return absl::FailedPreconditionError(
        fmt::format("vCPU {} left while its call waited for its turn", initiator.cpu()));
  }
  if (const CpuSet lost = FindLostWakes(standing, /*all_stand=*/true); !lost.Empty()) {
    sync::MutexLock lock(mutex_);
    counters_.lost_wakes += static_cast<uint64_t>(lost.Count());
  }
  for (int cpu : outcome.withdrawn) {
    outcome.laggards.push_back(
        {cpu, behind[0] == '\0' ? notifier_.Describe(cpu)
                                : fmt::format("not asked: the call waited for its turn behind {}",
                                              behind.data())});
  }
  return outcome;
}

// For one more in the queue, and for all of the queue in `standstills_`: whoever goes from the one
// to the other leaves that sum as it is.
void Rendezvous::MakeRoom() {
  queue_.reserve(queue_.size() + 1);
  standstills_.reserve(standstills_.size() + queue_.size() + 1);
}

sync::ParkingSpot& Rendezvous::TakeSpot() {
  if (idle_spots_.empty()) {
    idle_spots_.reserve(spots_.size() + 1);
    return spots_.emplace_back();
  }
  sync::ParkingSpot* const spot = idle_spots_.back();
  idle_spots_.pop_back();
  return *spot;
}

// True when it is this turn's; false once its deadline has passed or its vCPU has left. An
// initiator that is a vCPU serves meanwhile: the call before may need it.
bool Rendezvous::AwaitTurn(Vigil& vigil, const Turn& turn) {
  const Initiator initiator = vigil.initiator;
  for (;;) {
    const uint32_t seen = turn.spot.Prepare();
    if (initiator.is_vcpu() && RunPart(initiator.cpu())) continue;
    if (initiator.is_vcpu() && !joined_.Contains(initiator.cpu())) return false;
    if (NextTurn() == &turn) return true;
    if (IsLate(turn.work.call)) return false;
    if (ReportIsDue(vigil) && Report(vigil, Ahead(turn))) continue;
    const uint64_t until = std::min(turn.work.call.deadline, vigil.report_at);
    if (initiator.is_vcpu()) {
      WaitAt(initiator.cpu(), seen, until);
    } else {
      sync::Mark("Waits");
      mutex_.Unlock();
      turn.spot.Park(seen, until);
      mutex_.Lock();
    }
  }
}

const Rendezvous::Turn* Rendezvous::NextTurn() const {
  if (round_.work != nullptr) return nullptr;
  for (const Turn* turn : queue_) {
    if (standstills_.empty() || turn->work.call.through_standstills) return turn;
  }
  return nullptr;
}

// To be called wherever what NextTurn looks at has changed.
void Rendezvous::WakeNextTurn() {
  if (const Turn* next = NextTurn()) next->spot.Wake();
}

void Rendezvous::Publish(const Turn& turn) {
  const Work& work = turn.work;
  std::erase(queue_, &turn);
  ++counters_.calls;
  ++round_number_;
  round_.work = &work;
  round_.caller = &turn.spot;
  round_.requested = work.call.targets & joined_;
  round_.outcome.unknown = work.call.targets - joined_;
  const bool late = IsLate(work.call);
  sync::Mark("Publish", round_.requested, round_.outcome.unknown);
  round_.crowded = round_.requested.Count() > cores_;
  round_.published_ns = sync::Now();
  for (int cpu : round_.requested) {
    // Relaxed: before and after this it is the initiator of a round who writes, and the mutex
    // hands the round on.
    SeatOf(cpu).asked_ns.Store(0, std::memory_order_relaxed);
    SeatOf(cpu).asked_entry.Store(kNotAsked, std::memory_order_relaxed);
  }
  if (late) Withdraw(round_.requested);
  if (work.hold != nullptr) {
    standstills_.push_back(work.hold);
    work.hold->since_ns = round_.published_ns;
    // They stand already, and look at `held_` before they go on.
    for (int cpu : round_.requested&(waiting_ | held_)) RunPart(cpu);
  }
}

// The mutex is dropped while others are told and while this thread acts for them; the round cannot
// end meanwhile, since this thread ends it.
void Rendezvous::AskTargets(Initiator initiator) {
  const bool may_borrow = round_.work->call.runs == Runs::kAnywhere;
  CpuSet others = round_.requested;
  if (initiator.is_vcpu()) others.Remove(initiator.cpu());
  const CpuSet in_library = others & waiting_;  // the hint and a kick are not needed there
  const CpuSet elsewhere = others - in_library;

  const bool stop = round_.work->hold != nullptr;
  round_.notified = elsewhere;  // for who reports meanwhile
  mutex_.Unlock();
  const CpuSet lost = stop ? FindLostWakes(elsewhere, /*all_stand=*/false) : CpuSet();
  for (int cpu : in_library) {
    SeatOf(cpu).spot.Wake();
    NoteAsked(cpu);
  }
  CpuSet borrowed = may_borrow ? Borrow(elsewhere) : CpuSet();
  const CpuSet notified = elsewhere - borrowed;
  for (int cpu : notified) {
    SetHint(cpu);
    notifier_.Notify(cpu);
    NoteAsked(cpu);
  }
  if (may_borrow) borrowed |= Borrow(notified);  // see Notifier::Notify
  mutex_.Lock();

  round_.lost_wakes = lost;
  counters_.woken += static_cast<uint64_t>(in_library.Count());
  round_.notified = notified;
  counters_.notified += static_cast<uint64_t>(notified.Count());
  ActFor(borrowed);
  if (initiator.is_vcpu()) RunPart(initiator.cpu());
}

CpuSet Rendezvous::FindLostWakes(const CpuSet& cpus, bool all_stand) {
  CpuSet lost;
  for (int cpu : cpus) {
    if (notifier_.WakeIsLost(cpu, all_stand)) lost.Add(cpu);
  }
  return lost;
}

// Those of them that can be acted for, which the caller then does.
CpuSet Rendezvous::Borrow(const CpuSet& cpus) {
  CpuSet borrowed;
  for (int cpu : cpus) {
    if (!notifier_.TryBorrow(cpu)) continue;
    borrowed.Add(cpu);
    sync::Step step(mutex_);
    sync::Mark("Borrow", cpu);
  }
  return borrowed;
}

void Rendezvous::ActFor(const CpuSet& borrowed) {
  const bool stop = round_.work->hold != nullptr;
  for (int cpu : borrowed) {
    if (RunPart(cpu)) ++counters_.helped;
    // Held or not: an owner that wakes finds out in Serve.
    if (stop) SetHint(cpu);
    mutex_.Unlock();
    notifier_.GiveBack(cpu);
    mutex_.Lock();
  }
}

void Rendezvous::Freed(int cpu) {
  sync::MutexLock lock(mutex_);
  if (!round_.requested.Contains(cpu) || round_.work->call.runs != Runs::kAnywhere) return;
  round_.freed.Add(cpu);
  sync::Mark("Freed", cpu);
  round_.caller->Wake();
}

// After it was told: what it has begun by now may have missed that, what it begins later may not.
void Rendezvous::NoteAsked(int cpu) {
  // Relaxed, both: for diagnosis (see Seat).
  SeatOf(cpu).asked_ns.Store(sync::Now(), std::memory_order_relaxed);
  SeatOf(cpu).asked_entry.Store(notifier_.EntriesOf(cpu).begun, std::memory_order_relaxed);
}

void Rendezvous::AwaitTargets(Vigil& vigil) {
  for (;;) {
    const uint32_t seen = round_.caller->Prepare();
    uint64_t deadline = sync::kNever;  // that of the work bounds starts, not ends
    if (!round_.requested.Empty()) {
      deadline = round_.work->call.deadline;
      if (IsLate(round_.work->call)) {
        Withdraw(round_.requested);
        continue;
      }
    } else if (round_.running.Empty()) {
      return;
    }
    if (const CpuSet freed = round_.freed & round_.requested; !freed.Empty()) {
      round_.freed = CpuSet();
      mutex_.Unlock();
      const CpuSet borrowed = Borrow(freed);
      mutex_.Lock();
      ActFor(borrowed);
      continue;
    }
    if (ReportIsDue(vigil) && Report(vigil, std::nullopt)) continue;
    sync::ParkingSpot& spot = *round_.caller;
    const uint64_t until = std::min(deadline, vigil.report_at);
    sync::Mark("Waits");
    mutex_.Unlock();
    spot.Park(seen, until);
    mutex_.Lock();
  }
}

Outcome Rendezvous::EndRound() {
  Outcome outcome = std::move(round_.outcome);
  sync::Mark("EndRound", outcome.ran, outcome.left, outcome.withdrawn, outcome.unknown);
  counters_.ran += static_cast<uint64_t>(outcome.ran.Count());
  counters_.left += static_cast<uint64_t>(outcome.left.Count());
  counters_.withdrawn += static_cast<uint64_t>(outcome.withdrawn.Count());
  round_ = Round();
  WakeNextTurn();
  return outcome;
}

Outcome Rendezvous::GiveUpTurn(const Turn& turn) {
  sync::Mark("GiveUpTurn");
  std::erase(queue_, &turn);
  Outcome outcome;
  outcome.unknown = turn.work.call.targets - joined_;
  outcome.withdrawn = turn.work.call.targets & joined_;
  counters_.withdrawn += static_cast<uint64_t>(outcome.withdrawn.Count());
  WakeNextTurn();
  return outcome;
}

}  // namespace muster::rendezvous
