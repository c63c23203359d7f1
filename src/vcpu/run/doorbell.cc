#include <sys/syscall.h>
#include <unistd.h>

#include <muster/vcpu/run/doorbell.h>

namespace muster::vcpu {

// The two words of every hand-over are requests_ and execution_. Every access to them below is
// seq_cst, but for one store (see "Leaving"), so there is one order S of all the others.
//
// Ringer:  R1 requests_ |= r      R2 load execution_
// Owner:   O1 execution_ = kGuest (or kParked)      O2 load requests_
//
// O2 before R1 in S: then O1 < O2 < R1 < R2, and R2 reads kGuest (kParked) or something later.
//   - reads kGuest: the owner is in KVM_RUN, or on its way in or out. The ringer sets
//     immediate_exit and sends the signal, which KVM_RUN answers with EINTR whether it comes
//     before (the signal is pending, or immediate_exit is seen) or during.
//   - reads kGuestBusy, and r is mail or an NMI: nobody kicks. The owner's caller has seen to it
//     that the guest exits; then it comes to another O1 and O2. For any other r it is as kGuest.
//   - reads kParked: the ringer bumps the wake word after R1. The owner read that word before O1,
//     and sleeps only if it is unchanged.
//   - reads kBorrowed: the owner is parked behind the borrower, or outside Run. It is woken as if
//     parked, since GiveBack will not do so; Claim leads to another O1 and O2.
//   - reads kUser or kFree: the owner has left, and comes to another O1 and O2 after R2, hence
//     after R1.
// R1 before O2 in S: O2 reads r, and the owner does not enter.
//
// Leaving: kUser after KVM_RUN is a release store, which on x86 may wait in the store buffer until
// the next O1 or kFree at most. A ringer that reads the older kGuest meanwhile kicks for nothing.
// No request is lost: in S such an R2, as one that reads kUser, still comes before the next O1,
// which overwrites what it read; so R1 does, and O2 reads r.
//
// LeaveGuest clears immediate_exit only where it is seen set, and before the next O1 and O2, never
// between O2 and KVM_RUN: there it could wipe out the 1 of a ringer whose request O2 has missed,
// and whose signal was swallowed. A plain store would do where it is, since O1, which is
// sequentially consistent, drains it before O2; the exchange is for its answer, and keeps the
// argument local: what it wipes out was published before it. tests/model/kick.pml searches all of
// this on x86 store buffers.
//
// One signal is enough: the ringer that turns immediate_exit from 0 to 1 sends it, always. A second
// ringer that finds 1 may rely on it: either the owner has not cleared the byte, and that signal,
// or the byte at the next entry, ends a KVM_RUN; or it has cleared it, and reads requests_
// afterwards. The second ringer's request waits, then, for the first one to come from its exchange
// to its tgkill.

Doorbell::Doorbell(uint8_t* immediate_exit, int kick_signal)
    : immediate_exit_(*immediate_exit), process_(getpid()), kick_signal_(kick_signal) {}

namespace {

bool KicksBusy(uint32_t requests) { return (requests & ~kRequestsOfMail) != 0; }

}  // namespace

void Doorbell::Ring(uint32_t requests) {
  {
    sync::Step step;
    requests_.FetchOr(requests, std::memory_order_seq_cst);
    sync::Mark("Ring", requests);
  }
  switch (execution()) {
    case Execution::kGuest:
      Kick(requests);
      break;
    case Execution::kGuestBusy:
      if (KicksBusy(requests)) Kick(requests);
      break;
    case Execution::kParked:
    case Execution::kBorrowed:
      Wake();
      break;
    case Execution::kFree:
    case Execution::kUser:
      break;
  }
}

void Doorbell::Kick(uint32_t requests) {
  // Release() stores kFree, then waits for kickers_ to be 0: either that wait sees this increment,
  // or the load below sees kFree. Both sides are seq_cst.
  {
    sync::Step step;
    kickers_.FetchAdd(1, std::memory_order_seq_cst);
    sync::Mark("KickBegins");
  }
  const Execution now = execution();
  if ((now == Execution::kGuest || (now == Execution::kGuestBusy && KicksBusy(requests))) &&
      SetExit()) {
    {
      sync::Step step;
      // Relaxed: the owner reads it after the handshake; to all others it is a statistic.
      kicks_.FetchAdd(1, std::memory_order_relaxed);
      sync::Mark("Kick");
    }
    sync::Step step;
    // Relaxed: written in Claim, before the kGuest or kGuestBusy that was just read.
    syscall(SYS_tgkill, process_, thread_.Load(std::memory_order_relaxed), kick_signal_);
    sync::Mark("Signal");
  }
  sync::Step step;
  // Release: the signal is in the thread's queue before Release() can see 0.
  kickers_.FetchSub(1, std::memory_order_release);
  sync::Mark("KickEnds");
}

// True: it was not set before.
bool Doorbell::SetExit() {
  sync::Step step;
  const bool was_set = immediate_exit_.Exchange(1, std::memory_order_seq_cst) != 0;
  sync::Mark("SetExit", was_set);
  return !was_set;
}

void Doorbell::Wake() {
  sync::Step step;
  spot_.Wake();
  sync::Mark("Wake");
}

Execution Doorbell::TryBorrow() {
  for (const Execution idle : {Execution::kParked, Execution::kFree}) {
    sync::Step step;
    Execution expected = idle;
    if (execution_.CompareExchange(expected, Execution::kBorrowed, std::memory_order_seq_cst,
                                   std::memory_order_seq_cst)) {
      before_borrow_ = idle;
      borrower_.Store(&sync::ThisThread(), std::memory_order_relaxed);  // see BorrowedByCaller
      ++sync::ThisThread().acting_for;
      sync::Mark("Borrow", idle);
      return idle;
    }
  }
  return Execution::kBorrowed;
}

Execution Doorbell::Borrow(bool waits) {
  for (;;) {
    if (const Execution was = TryBorrow(); was != Execution::kBorrowed) return was;
    switch (execution()) {
      case Execution::kUser:
      case Execution::kGuest:
      case Execution::kGuestBusy:
        return Execution::kBorrowed;
      case Execution::kFree:
      case Execution::kParked:  // given back meanwhile
        break;
      case Execution::kBorrowed:
        if (!waits || BorrowedByCaller()) return Execution::kBorrowed;
        sync::Yield();  // for as long as something runs that waits for nobody
        break;
    }
  }
}

void Doorbell::GiveBack() {
  --sync::ThisThread().acting_for;
  borrower_.Store(nullptr, std::memory_order_relaxed);
  {
    sync::Step step;
    execution_.Store(before_borrow_, std::memory_order_seq_cst);
    sync::Mark("GiveBack");
  }
  // Only an owner that waits for this is woken; one that is merely parked sleeps on. TakeBack
  // counts, then loads execution_: one of the two sees the other's store.
  if (IsWaitedFor()) Wake();
}

bool Doorbell::IsWaitedFor() const {
  sync::Step step;
  const bool waited_for = waiters_.Load(std::memory_order_seq_cst) != 0;
  sync::Mark("IsWaitedFor", waited_for);
  return waited_for;
}

void Doorbell::TakeBack() {
  {
    sync::Step step;
    waiters_.FetchAdd(1, std::memory_order_seq_cst);
    sync::Mark("WaitBegins");
  }
  for (;;) {
    const uint32_t seen = Prepare();
    if (execution() != Execution::kBorrowed) break;
    spot_.Park(seen);
  }
  sync::Step step;
  waiters_.FetchSub(1, std::memory_order_seq_cst);
  sync::Mark("WaitEnds");
}

bool Doorbell::ClaimFrom(Execution seen) {
  while (seen == Execution::kBorrowed) {
    TakeBack();
    seen = Execution::kFree;
    if (ClaimIf(seen)) return true;
  }
  return false;
}

void Doorbell::ForceExit() {
  sync::Step step;
  // Relaxed: KVM reads it in this thread's own system call.
  immediate_exit_.Store(1, std::memory_order_relaxed);
  sync::Mark("ForceExit");
}

void Doorbell::ClearForcedExit() {
  // A ringer that read kGuest before the last LeaveGuest may have found this 1 and sent nothing.
  // Its request was published before, and is read after this exchange: see the top of this file.
  ClearExit();
}

void Doorbell::Unpark() {
  for (;;) {
    Execution seen = Execution::kParked;
    if (ClaimIf(seen)) return;
    TakeBack();
  }
}

}  // namespace muster::vcpu
