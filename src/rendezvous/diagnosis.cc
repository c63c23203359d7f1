#include <algorithm>
#include <bit>
#include <fmt/format.h>
#include <new>
#include <optional>

#include <muster/rendezvous/hold.h>
#include <muster/rendezvous/rendezvous.h>

// Who waits for whom, and the evidence of defects.
namespace muster::rendezvous {
namespace {

double Ms(uint64_t ns) { return static_cast<double>(ns) * 1e-6; }

uint64_t Since(uint64_t then, uint64_t now) { return now > then ? now - then : 0; }

int NumberOf(Initiator initiator) { return initiator.is_vcpu() ? initiator.cpu() : -1; }

std::string NameOf(int initiator) {
  return initiator < 0 ? std::string("a thread outside") : fmt::format("vCPU {}", initiator);
}

std::string ToString(const Straggler& straggler) {
  std::string text = fmt::format("vCPU {} ", straggler.cpu);
  if (straggler.started) {
    text += fmt::format("in the function for {:.3f} ms", Ms(straggler.since_ns));
  } else {
    text += "not started, ";
    text += straggler.asked_ns == 0
                ? "not told"
                : fmt::format("{} {:.3f} ms ago", straggler.notified ? "kicked" : "woken",
                              Ms(straggler.asked_ns));
  }
  if (straggler.overruns != 0) text += ", ENTERED the guest since";
  return text + ": " + straggler.doing;
}

}  // namespace

std::string ToString(const Wait& wait) {
  std::string text = fmt::format("'{}' by {} has waited {:.3f} ms for ", wait.name,
                                 NameOf(wait.initiator), Ms(wait.waited_ns));
  if (wait.has_turn) {
    text += "its targets";
  } else {
    text += fmt::format("its turn behind '{}' by {}, ", wait.behind, NameOf(wait.behind_initiator));
    text +=
        wait.behind_ns == 0 ? "which is next" : fmt::format("for {:.3f} ms", Ms(wait.behind_ns));
  }
  if (wait.queued_before > 0) text += fmt::format(", and {} more", wait.queued_before);
  if (!wait.standing.Empty()) text += fmt::format("; standing still {}", wait.standing.ToString());
  for (const Straggler& straggler : wait.stragglers) text += "; " + ToString(straggler);
  return text;
}

// Entries that `cpu` began after it had been told of the round, and made: the look that comes
// between must have failed. 0 where it has not been told, or that is not known yet.
uint64_t Rendezvous::Overruns(int cpu) {
  const uint64_t asked = SeatOf(cpu).asked_entry.Load(std::memory_order_relaxed);  // see Seat
  if (asked == kNotAsked) return 0;
  const uint64_t made = notifier_.EntriesOf(cpu).made;
  return made > asked ? made - asked : 0;
}

void Rendezvous::CountStart(int cpu) {
  const uint64_t now = sync::Now();
  MemberOf(cpu).started_ns = now;
  counters_.overruns += Overruns(cpu);
  const auto bucket = static_cast<size_t>(std::bit_width(Since(round_.published_ns, now) / 1000));
  ++counters_.start_delay[std::min(bucket, counters_.start_delay.size() - 1)];
}

// What `turn`, which is in the queue, waits for. Where that has just ended it is the turn that
// comes next, whose thread has yet to wake.
Rendezvous::Before Rendezvous::Ahead(const Turn& turn) const {
  // Those that may have theirs before it: what goes through standstills does not wait for others.
  const bool through = turn.work.call.through_standstills && !standstills_.empty();
  int queued = 0;
  for (const Turn* other : queue_) {
    if (other == &turn) break;
    if (!through || other->work.call.through_standstills) ++queued;
  }
  if (round_.work != nullptr) {
    return {round_.work->call.name, round_.work->initiator, round_.published_ns, queued};
  }
  if (!standstills_.empty() && !turn.work.call.through_standstills) {
    const Hold& hold = *standstills_.front();
    return {hold.name, hold.initiator, hold.since_ns, queued};
  }
  const Work& next = NextTurn()->work;
  return {next.call.name, next.initiator, /*since_ns=*/0, queued - 1};
}

// The first of the standstills that hold `cpu`, which is held.
Rendezvous::Before Rendezvous::Holder(int cpu) const {
  const Hold& hold = **std::find_if(standstills_.begin(), standstills_.end(),
                                    [cpu](const Hold* each) { return each->held.Contains(cpu); });
  return {hold.name, hold.initiator, hold.since_ns};
}

// A wait that begins, if anybody is to be told of it.
Rendezvous::Vigil Rendezvous::VigilOf(Initiator initiator, const char* name) const {
  Vigil vigil{.initiator = initiator, .name = name};
  if (options_.observer == nullptr || name == nullptr) return vigil;
  vigil.since_ns = sync::Now();
  vigil.report_at = sync::After(options_.report_after_ns, vigil.since_ns);
  return vigil;
}

bool Rendezvous::ReportIsDue(const Vigil& vigil) {
  return vigil.report_at != sync::kNever && sync::Now() >= vigil.report_at;
}

// Tells the observer of a wait that has lasted; `before`: what for, if not for the targets of its
// own turn. True: the mutex was dropped for it.
bool Rendezvous::Report(Vigil& vigil, const std::optional<Before>& before) {
  const uint64_t now = sync::Now();
  vigil.report_at = now + Since(vigil.since_ns, now);
  std::optional<Wait> wait;
  try {
    wait = WaitOf(vigil, before, now);
  } catch (...) {  // no memory
    return false;  // a wait without a report
  }
  ++counters_.reports;
  mutex_.Unlock();
  Tell(*wait);
  mutex_.Lock();
  return true;
}

// What is thrown in here ends the report and not the wait, which others wait for in turn.
void Rendezvous::Tell(Wait& wait) {
  const sync::Barred barred("inside its observer");  // a call from in there would wait for itself
  try {
    for (Straggler& straggler : wait.stragglers) {
      straggler.doing = notifier_.Describe(straggler.cpu);
    }
    options_.observer->Waits(wait);
  } catch (...) {
  }
}

Wait Rendezvous::WaitOf(const Vigil& vigil, const std::optional<Before>& before, uint64_t now) {
  Wait wait{.name = vigil.name,
            .initiator = NumberOf(vigil.initiator),
            .waited_ns = Since(vigil.since_ns, now),
            .has_turn = !before,
            .standing = held_,
            .stragglers = {}};
  if (before) {
    wait.behind = before->name;
    wait.behind_initiator = NumberOf(before->initiator);
    if (before->since_ns != 0) wait.behind_ns = std::max<uint64_t>(Since(before->since_ns, now), 1);
    wait.queued_before = before->queued;
  }
  for (int cpu : round_.requested | round_.running) {
    const bool started = round_.running.Contains(cpu);
    // Relaxed: see Seat.
    const uint64_t asked = SeatOf(cpu).asked_ns.Load(std::memory_order_relaxed);
    wait.stragglers.push_back(
        {.cpu = cpu,
         .started = started,
         .since_ns = Since(started ? MemberOf(cpu).started_ns : round_.published_ns, now),
         .notified = round_.notified.Contains(cpu),
         .asked_ns = asked == 0 ? 0 : std::max<uint64_t>(Since(asked, now), 1),
         .overruns = Overruns(cpu)});
  }
  return wait;
}

}  // namespace muster::rendezvous
