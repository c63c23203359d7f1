#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <muster/rendezvous/call.h>
#include <muster/rendezvous/cpu_set.h>
#include <muster/rendezvous/notifier.h>
#include <muster/rendezvous/observer.h>
#include <muster/rendezvous/standstill.h>
#include <muster/rendezvous/sync.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace muster::rendezvous {

// Makes chosen vCPUs run a function, or stand still, together: bhyve's vm_rendezvous, with
// functions that run in parallel, deadlines, helpers for parked vCPUs, and a standstill.
//
// One call at a time, first come, first served. The thread that calls publishes its call, asks the
// targets through the Notifier, and waits until none of them is left to finish. A target takes part
// in Serve, which its owner calls from the run loop whenever Pending is true, and also while it
// waits in the library for a call of its own, so that two vCPUs that call each other both get
// through.
//
// Execute, Stop and Serve refuse (FailedPrecondition, in every build) to be called inside a
// function of any rendezvous, by a thread that holds a lock of this library, or as a vCPU that is
// in one of them already on another thread.
class Rendezvous {
 public:
  // For vCPUs numbered from 0 to `capacity` - 1, at most CpuSet::kMaxCpus, none of which has
  // joined.
  Rendezvous(int capacity, Notifier& notifier, const Options& options = {});
  Rendezvous(const Rendezvous&) = delete;
  Rendezvous& operator=(const Rendezvous&) = delete;
  ~Rendezvous();

  // From here on `cpu` can be a target; of calls published before, it is none. During a standstill
  // it starts held: Pending is true, and its owner calls Serve before it first enters the guest.
  // InvalidArgument: no such number. AlreadyExists. FailedPrecondition: a thread of its earlier
  // life is still in Serve, Execute or Stop.
  absl::Status Join(int cpu);

  // Takes `cpu` out of everything: a call that it has not started does without it, and a wait of
  // its owner in the library ends. By any thread, at any time but inside a function. A function
  // that already runs for `cpu` is waited for by its call as before. NotFound: it has not joined.
  // FailedPrecondition: inside a function of a rendezvous.
  absl::Status Leave(int cpu);

  // `cpu`, of which no owner's thread is there, has been given back by who had its run lock and was
  // not the rendezvous: a call that anybody may run for it takes it now. See Notifier::Notify.
  void Freed(int cpu) ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether `cpu`, below the capacity, should call Serve: one load, and a hint. A stale false is
  // cured by the Notify that follows, a stale true by a Serve that does nothing.
  bool Pending(int cpu) const {
    // seq_cst: an owner that announces itself (seq_cst) and then reads this either sees what the
    // initiator published, or is seen by the Notify that comes after.
    sync::Step step(mutex_);
    const bool pending = seats_[static_cast<size_t>(cpu)].pending.Load(std::memory_order_seq_cst);
    sync::Mark("Pending", cpu, pending);
    return pending;
  }

  // FailedPrecondition where Serve, Execute and Stop are refused to the calling thread, wherever
  // they go: inside a function, an observer, or by one who acts for a vCPU.
  absl::Status CheckContext();

  // Runs what is asked of `cpu` and stays for as long as it is held. By the thread that holds
  // the run lock of `cpu`, outside the guest. InvalidArgument: no such number. `waits`, which
  // outlives this, is what its caller is kept from: the observer is told by that name where it is
  // held for long. Null: it is kept from the guest, which is what a standstill is for.
  absl::StatusOr<Served> Serve(int cpu, const char* waits = nullptr);

  // Runs call.function once for each target; returns when it has ended for all that started it, and
  // the others are accounted for. An initiator that is a target runs its own part itself.
  // A deadline that passes is no error: see Outcome::withdrawn. InvalidArgument: no such initiator.
  // FailedPrecondition, beside what is said above: the initiator is a vCPU that has not joined, or
  // that left while its call waited for its turn.
  absl::StatusOr<Outcome> Execute(Initiator initiator, const Call& call);

  // Returns when all of `targets` that are there stand still; CpuSet::All() stops the world. An
  // initiator that is a target is held in its next Serve. DeadlineExceeded: some did not
  // stand by `deadline`; the message names them, and all have been let go. Else as Execute. `name`
  // is for diagnosis, and outlives the Standstill.
  absl::StatusOr<Standstill> Stop(Initiator initiator, const CpuSet& targets,
                                  uint64_t deadline = sync::kNever, const char* name = "a stop");

  // Whether a standstill holds `cpu`, below the capacity.
  bool Holds(int cpu) const;

  // Those that have joined and not left; a copy. By any thread.
  CpuSet members() const;
  // A copy of the totals, as of one moment. By any thread.
  Counters counters() const;

  // What is going on, in one line for a person.
  std::string Describe() const;

 private:
  friend class Standstill;
  using Hold = Standstill::Hold;

  // What a vCPU's owner and others touch without the mutex.
  struct alignas(64) Seat {
    // The hint. Set after publication; cleared by the owner alone, before it takes the mutex.
    sync::Atomic<bool> pending{false};
    sync::ParkingSpot spot;  // where the owner waits in the library
    // When it was told of the round, and what it had begun by then. Written by the initiator
    // outside the mutex, for diagnosis: whoever reads the old value knows less.
    sync::Atomic<uint64_t> asked_ns{0};
    sync::Atomic<uint64_t> asked_entry{kNotAsked};
  };
  static constexpr uint64_t kNotAsked = UINT64_MAX;
  struct Member {
    const sync::ThreadState* inside = nullptr;  // the thread that is in Serve, Execute or Stop
    int holds = 0;                              // standstills that hold it
    uint64_t held_entry = 0;                    // Entries::made when the first of them took it
    uint64_t started_ns = 0;                    // when its part began
  };
  // A call or a stop, on its caller's frame.
  struct Work {
    Initiator initiator;
    const Call& call;
    Hold* hold;  // of a stop; null: it is none
  };
  // A place in the queue, on its caller's frame.
  struct Turn {
    const Work& work;
    sync::ParkingSpot& spot;
  };
  // What is waited for by who has no turn, for diagnosis.
  struct Before {
    const char* name;
    Initiator initiator;
    uint64_t since_ns;  // 0: it has yet to begin
    int queued = 0;     // turns that come before as well
  };
  // A caller's wait, for diagnosis.
  struct Vigil {
    const Initiator initiator;
    const char* const name;
    uint64_t since_ns = 0;
    uint64_t report_at = sync::kNever;  // kNever: nobody is to be told, and since_ns is 0
  };
  // The work that has its turn.
  struct Round {
    const Work* work = nullptr;  // null: none
    sync::ParkingSpot* caller = nullptr;
    CpuSet requested;  // have not started
    CpuSet running;
    CpuSet notified;
    CpuSet freed;  // see Freed; the caller has yet to look at them
    uint64_t published_ns = 0;
    Outcome outcome;
    CpuSet lost_wakes;     // found while they were asked
    bool crowded = false;  // more targets than cores
  };

  Seat& SeatOf(int cpu) { return seats_[static_cast<size_t>(cpu)]; }
  Member& MemberOf(int cpu) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return members_[static_cast<size_t>(cpu)];
  }
  bool Known(int cpu) const { return cpu >= 0 && cpu < capacity_; }
  void SetHint(int cpu);
  void ClearHint(int cpu);
  // Past its deadline.
  bool IsLate(const Call& call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The initiator's side (execute.cc).
  absl::StatusOr<Outcome> Perform(const Work& work) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<Standstill> StopBy(Initiator initiator, const Call& call);
  void MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  sync::ParkingSpot& TakeSpot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool AwaitTurn(Vigil& vigil, const Turn& turn) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Publish(const Turn& turn) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AskTargets(Initiator initiator) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  CpuSet FindLostWakes(const CpuSet& cpus, bool all_stand) ABSL_LOCKS_EXCLUDED(mutex_);
  CpuSet Borrow(const CpuSet& cpus) ABSL_LOCKS_EXCLUDED(mutex_);
  void ActFor(const CpuSet& borrowed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteAsked(int cpu);
  void AwaitTargets(Vigil& vigil) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Outcome EndRound() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Outcome GiveUpTurn(const Turn& turn) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const Turn* NextTurn() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeNextTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The target's side (serve.cc).
  absl::Status Enter(int cpu) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool RunPart(int cpu) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Claim(int cpu) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SignalIfDone() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Withdraw(CpuSet cpus) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int AwaitRelease(Vigil& vigil) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StandAside(uint64_t round) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WaitAt(int cpu, uint32_t seen, uint64_t deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Diagnosis (diagnosis.cc).
  uint64_t Overruns(int cpu);
  void CountStart(int cpu) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Vigil VigilOf(Initiator initiator, const char* name) const;
  static bool ReportIsDue(const Vigil& vigil);
  bool Report(Vigil& vigil, const std::optional<Before>& before)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell(Wait& wait) ABSL_LOCKS_EXCLUDED(mutex_);
  Wait WaitOf(const Vigil& vigil, const std::optional<Before>& before, uint64_t now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Before Holder(int cpu) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Before Ahead(const Turn& turn) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Standstill (standstill.cc).
  void Grip(int cpu, Hold& hold) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LetGo(int cpu) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Release(Hold& hold) ABSL_LOCKS_EXCLUDED(mutex_);
  CpuSet Standing(const Hold& hold) const ABSL_LOCKS_EXCLUDED(mutex_);

  const int capacity_;
  const int cores_;
  Notifier& notifier_;
  const Options options_;
  const std::unique_ptr<Seat[]> seats_;
  sync::ParkingSpot round_end_;  // where members that have finished stand aside
  sync::Atomic<uint64_t> refused_{0};

  mutable sync::Mutex mutex_;
  std::vector<Member> members_ ABSL_GUARDED_BY(mutex_);
  CpuSet joined_ ABSL_GUARDED_BY(mutex_);
  CpuSet waiting_ ABSL_GUARDED_BY(mutex_);  // owner waits in the library, and serves when woken
  CpuSet held_ ABSL_GUARDED_BY(mutex_);     // Member::holds > 0: they stand
  // Room for what will go in, here and in `standstills_`, is made before anything has changed:
  // where memory runs out nothing is left behind, and no call is lost.
  std::vector<const Turn*> queue_ ABSL_GUARDED_BY(mutex_);
  Round round_ ABSL_GUARDED_BY(mutex_);
  uint64_t round_number_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Hold*> standstills_ ABSL_GUARDED_BY(mutex_);  // granted, or being stopped for
  // For callers that are no vCPU. Kept, since a target may wake a caller that has just returned.
  std::deque<sync::ParkingSpot> spots_ ABSL_GUARDED_BY(mutex_);
  std::vector<sync::ParkingSpot*> idle_spots_ ABSL_GUARDED_BY(mutex_);  // has room for all
  Counters counters_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace muster::rendezvous
