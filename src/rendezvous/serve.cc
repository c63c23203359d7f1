#include <fmt/format.h>

#include <muster/rendezvous/hold.h>
#include <muster/rendezvous/rendezvous.h>

// The target's side.
namespace muster::rendezvous {
namespace {

// How long a member that has finished stands aside at most. The bound makes it a courtesy and no
// wait of the protocol: nothing hangs on it if a target is late for a reason of its own.
constexpr uint64_t kStandAsideNs = 2'000'000;

// Nobody would know what to do with what a function throws: not the thread of the vCPU, which has
// no part in the call, and not the caller, who waits on another.
void RunMarked(absl::FunctionRef<void(int)> function, int cpu) noexcept {
  sync::ThreadState& thread = sync::ThisThread();
  ++thread.functions_running;
  function(cpu);
  --thread.functions_running;
}

}  // namespace

absl::StatusOr<Served> Rendezvous::Serve(int cpu, const char* waits) {
  if (!Known(cpu)) return absl::InvalidArgumentError(fmt::format("no vCPU {}", cpu));
  if (absl::Status status = CheckContext(); !status.ok()) return status;

  // Before the mutex: what is published after this look sets the hint again and is found by the
  // next Serve; what was published before it is found below. A clear after the look could erase the
  // hint of a call that the look missed.
  ClearHint(cpu);

  Vigil vigil = VigilOf(Initiator::Vcpu(cpu), waits);
  sync::MutexLock lock(mutex_);
  sync::Mark("Serve", cpu, joined_.Contains(cpu));
  Served served;
  if (joined_.Contains(cpu)) {
    if (absl::Status status = Enter(cpu); !status.ok()) {
      SetHint(cpu);  // it was not this thread's
      return status;
    }
    const uint64_t round = round_number_;
    if (RunPart(cpu)) {
      ++served.functions;
      StandAside(round);
    }
    served.held = held_.Contains(cpu);
    served.functions += AwaitRelease(vigil);
    MemberOf(cpu).inside = nullptr;
  }
  if (served.spurious()) ++counters_.spurious;
  return served;
}

absl::Status Rendezvous::CheckContext() {
  const char* const reason = sync::ThisThread().RefusedBecause();
  if (reason == nullptr) return absl::OkStatus();
  refused_.FetchAdd(1, std::memory_order_relaxed);  // a count, ordered with nothing
  return absl::FailedPreconditionError(fmt::format("the rendezvous was called {}", reason));
}

absl::Status Rendezvous::Enter(int cpu) {
  const char* reason = !joined_.Contains(cpu)            ? "has not joined"
                       : MemberOf(cpu).inside != nullptr ? "is in the rendezvous on another thread"
                                                         : nullptr;
  if (reason == nullptr) {
    MemberOf(cpu).inside = &sync::ThisThread();
    return absl::OkStatus();
  }
  refused_.FetchAdd(1, std::memory_order_relaxed);  // a count, ordered with nothing
  return absl::FailedPreconditionError(fmt::format("vCPU {} {}", cpu, reason));
}

// Takes the part of `cpu` in the round, if it has one, on a holder of its run lock. Returns whether
// that was a function; the mutex is dropped while it runs, so look at everything again.
bool Rendezvous::RunPart(int cpu) {
  if (!Claim(cpu)) return false;
  const bool stop = round_.work->hold != nullptr;
  if (stop) {
    Grip(cpu, *round_.work->hold);
  } else {
    const absl::FunctionRef<void(int)> function = round_.work->call.function;
    mutex_.Unlock();
    RunMarked(function, cpu);
    mutex_.Lock();
  }
  // From here on nothing of the caller's is touched, whose round may end with this.
  round_.running.Remove(cpu);
  round_.outcome.ran.Add(cpu);
  sync::Mark("FinishPart", cpu, round_.requested, round_.running);
  SignalIfDone();
  return !stop;
}

// From requested to running, once, unless it was withdrawn, has left, or is too late.
bool Rendezvous::Claim(int cpu) {
  if (!round_.requested.Contains(cpu)) return false;
  if (IsLate(round_.work->call)) {
    Withdraw(CpuSet{cpu});
    return false;
  }
  sync::Mark("Claim", cpu);
  CountStart(cpu);
  round_.requested.Remove(cpu);
  round_.running.Add(cpu);
  return true;
}

void Rendezvous::Withdraw(CpuSet cpus) {
  sync::Mark("Withdraw", cpus);
  for (int cpu : cpus) counters_.overruns += Overruns(cpu);
  round_.requested -= cpus;
  round_.outcome.withdrawn |= cpus;
  SignalIfDone();
}

// Done is that no target is unfinished; a comparison of sets that were compared before somebody
// left would never be true again.
void Rendezvous::SignalIfDone() {
  if (!round_.requested.Empty() || !round_.running.Empty()) return;
  round_.caller->Wake();
  round_end_.Wake();
}

// Waits until the vCPU whose wait this is is not held, serving what its standstill's owner asks of
// it. Returns how many functions that was.
int Rendezvous::AwaitRelease(Vigil& vigil) {
  const int cpu = vigil.initiator.cpu();
  int functions = 0;
  for (;;) {
    const uint32_t seen = SeatOf(cpu).spot.Prepare();
    if (RunPart(cpu)) {
      ++functions;
      continue;
    }
    if (!held_.Contains(cpu)) {
      sync::Mark("Released", cpu);
      return functions;
    }
    if (ReportIsDue(vigil) && Report(vigil, Holder(cpu))) continue;
    WaitAt(cpu, seen, vigil.report_at);
  }
}

// Where there are more targets than cores, one that has finished and entered the guest again would
// take the core from one that has yet to come.
void Rendezvous::StandAside(uint64_t round) {
  if (round_number_ != round || !round_.crowded) return;
  if (round_.requested.Empty() && round_.running.Empty()) return;
  ++counters_.aside;
  const uint32_t seen = round_end_.Prepare();
  mutex_.Unlock();
  round_end_.Park(seen, sync::Now() + kStandAsideNs);
  mutex_.Lock();
}

// While the owner of `cpu` is in here it stands: it looks at everything again before it goes on.
void Rendezvous::WaitAt(int cpu, uint32_t seen, uint64_t deadline) {
  waiting_.Add(cpu);
  sync::Mark("Waits");
  mutex_.Unlock();
  SeatOf(cpu).spot.Park(seen, deadline);
  mutex_.Lock();
  waiting_.Remove(cpu);
}

}  // namespace muster::rendezvous
