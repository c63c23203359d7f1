#pragma once

#include <cstdint>
#include <sys/types.h>

#include <muster/rendezvous/notifier.h>
#include <muster/rendezvous/sync.h>

namespace muster::vcpu {

// Why a vCPU must leave the guest or its sleep, as bits of one word, so that the run loop finds
// out by one load.
enum Request : uint32_t {
  kRequestMail = 1u << 0,    // vectors were posted in the mailbox
  kRequestNmi = 1u << 1,     // an NMI was posted
  kRequestTimer = 1u << 2,   // the clock says that a deadline has passed
  kRequestMeet = 1u << 3,    // a rendezvous has published a function
  kRequestReset = 1u << 4,   // INIT or SIPI changed the models; registers are to follow
  kRequestStop = 1u << 5,    // Run returns, for good
  kRequestGoOn = 1u << 6,    // the vCPU is held no longer
  kRequestExtInt = 1u << 7,  // an ExtINT message was posted
  kRequestWire = 1u << 8,    // the 8259's wire has risen
  kRequestLeave = 1u << 9,   // Run returns: the vCPU is taken out of its Vm
};

// Those that may wait while the guest gets on.
inline constexpr uint32_t kRequestsOfMail =
    kRequestMail | kRequestNmi | kRequestExtInt | kRequestWire;

// Who holds the vCPU: its run lock.
enum class Execution : uint32_t {
  kFree,       // no thread is inside Run
  kUser,       // its thread runs the library's code
  kGuest,      // its thread is in KVM_RUN, or about to be
  kGuestBusy,  // the same, for a short while in which mail waits
  kParked,     // its thread sleeps: halted, or waiting for SIPI
  kBorrowed,   // another thread acts for it, while it is free or parked
};

// One vCPU's request word, its run lock, and the kick that ties them: whoever rings makes the
// vCPU look at its requests soon, wherever it is. docs/architecture.md, "The kick".
class Doorbell {
 public:
  // `immediate_exit` is the byte in the vCPU's kvm_run page.
  Doorbell(uint8_t* immediate_exit, int kick_signal);

  // ---- any thread ----

  void Ring(uint32_t requests);

  // Takes the run lock of a vCPU whose thread is parked or outside Run, and says which; kBorrowed
  // where that failed. The borrower holds it briefly: the owner waits for it.
  Execution TryBorrow();
  // The same, but where another has borrowed it this waits: kBorrowed says that its owner is awake.
  // A caller that acts for a vCPU already, and is in a callback, does not wait: two such could wait
  // for each other.
  Execution Borrow(bool waits = sync::ThisThread().acting_for == 0);
  void GiveBack();
  bool BorrowedByCaller() const {
    // Relaxed: of the stores to it the caller's own is the only one that it looks for.
    return borrower_.Load(std::memory_order_relaxed) == &sync::ThisThread();
  }
  // For the borrower: kParked, its owner's thread sleeps meanwhile, or kFree.
  Execution before_borrow() const { return before_borrow_; }
  // For the borrower: the owner had looked at the requests and found none before it went to sleep,
  // and nobody has woken it since.
  bool SleepsUnwoken() const {
    // Acquire: a request that the caller has seen before this was then made after that look, and
    // who made it has read kParked or kBorrowed, and wakes the owner next.
    return before_borrow_ == Execution::kParked && asleep_.Load(std::memory_order_acquire) &&
           spot_.Prepare() == parked_at_.Load(std::memory_order_relaxed);
  }

  Execution execution() const {
    sync::Step step;
    const Execution now = execution_.Load(std::memory_order_seq_cst);
    sync::Mark("Where", now);
    return now;
  }
  uint64_t kicks() const {
    // Relaxed: a statistic.
    return kicks_.Load(std::memory_order_relaxed);
  }

  // Read after Ring, `begun` covers every entry whose EnterGuest may have missed that ring.
  rendezvous::Entries entries() const {
    // Relaxed: EnterGuest stores `begun` before kGuest. If its look at the requests missed the
    // ring, then Ring has read that kGuest, or what came after it, before this.
    return {.begun = begun_.Load(std::memory_order_relaxed),
            .made = made_.Load(std::memory_order_relaxed)};
  }

  // Whose threads are kicked: that which made this.
  pid_t process() const { return process_; }

  // ---- the owner's thread ----

  // Those of every entry and exit are inline: after a return from the guest each line of code and
  // data is far away, and calls between files are lines.

  // Enters Run: false when another thread is inside. Waits for a borrower.
  bool Claim(pid_t thread) {
    Execution seen = Execution::kFree;
    if (!ClaimIf(seen) && !ClaimFrom(seen)) return false;
    // Who read kGuest in the stay before, of another thread that is on its way out, sends its
    // signal to that one.
    while (!KickersAreGone()) sync::Yield();
    // Relaxed: read only by those who have seen the seq_cst store of kGuest that follows.
    thread_.Store(thread, std::memory_order_relaxed);
    return true;
  }
  // Leaves Run. When this returns no kick is on its way to this thread's signal queue.
  void Release() {
    Announce(Execution::kFree);
    // At most as long as another thread needs for one tgkill.
    while (!KickersHaveLeft()) sync::Yield();
  }

  uint32_t requests() const {
    sync::Step step;
    const uint32_t requests = requests_.Load(std::memory_order_seq_cst);
    sync::Mark("Requests", requests);
    return requests;
  }
  // Clears `mask` and returns which of it was set. Everything that its ringers wrote is visible.
  uint32_t Take(uint32_t mask) {
    sync::Step step;
    const uint32_t taken = requests_.FetchAnd(~mask, std::memory_order_seq_cst) & mask;
    sync::Mark("Take", taken);
    return taken;
  }

  // Announces KVM_RUN. False: something was requested; the vCPU has not left user code.
  // With `mail_waits`, mail and NMIs neither prevents the entry nor kicks: the caller has something
  // else end it soon.
  bool EnterGuest(bool mail_waits = false) {
    // Relaxed, both: see entries().
    const uint64_t entry = begun_.Load(std::memory_order_relaxed) + 1;
    begun_.Store(entry, std::memory_order_relaxed);
    Announce(mail_waits ? Execution::kGuestBusy : Execution::kGuest);
    if ((requests() & ~(mail_waits ? kRequestsOfMail : 0)) == 0) {
      made_.Store(entry, std::memory_order_relaxed);
      return true;
    }
    Announce(Execution::kUser);
    return false;
  }
  // After KVM_RUN. True when someone kicked: the signal is pending, or about to be.
  bool LeaveGuest() {
    {
      sync::Step step;
      // Release: whoever reads it has the guest's exit before it. No more is needed: see
      // doorbell.cc.
      execution_.Store(Execution::kUser, std::memory_order_release);
      sync::Mark("Leave");
    }
    return SeesExit() && ClearExit();
  }

  // Makes the next KVM_RUN finish a half-done exit and return EINTR; call ClearForcedExit after.
  // The vCPU stays in user code meanwhile.
  void ForceExit();
  void ClearForcedExit();

  // Sleeps until something is requested; may return early. `parked()` is called once the vCPU can
  // be borrowed, on this thread, and must not touch what a borrower may.
  template <typename Parked>
  void Park(Parked&& parked) {
    const uint32_t seen = Prepare();
    parked_at_.Store(seen, std::memory_order_relaxed);  // read by those who have seen kParked
    Announce(Execution::kParked);
    if (requests() == 0) {
      parked();
      asleep_.Store(true, std::memory_order_release);  // after the look: see SleepsUnwoken
      spot_.Park(seen);
      asleep_.Store(false, std::memory_order_relaxed);  // before the next kParked
    }
    Unpark();
  }

 private:
  // The owner's steps, which tests/model/kick.pml has by the same names (see sync_marks.h).
  void Announce(Execution state) {
    sync::Step step;
    execution_.Store(state, std::memory_order_seq_cst);
    sync::Mark("Announce", state);
  }
  bool SeesExit() const {
    sync::Step step;
    // Relaxed: a ringer's 1 that this misses stays, and ends the next KVM_RUN.
    const bool set = immediate_exit_.Load(std::memory_order_relaxed) != 0;
    sync::Mark("SeeExit", set);
    return set;
  }
  bool ClearExit() {
    sync::Step step;
    const bool was_set = immediate_exit_.Exchange(0, std::memory_order_seq_cst) != 0;
    sync::Mark("ClearExit", was_set);
    return was_set;
  }
  // From `seen` to kUser; false, and what it is: it was not that.
  bool ClaimIf(Execution& seen) {
    sync::Step step;
    const bool claimed = execution_.CompareExchange(
        seen, Execution::kUser, std::memory_order_seq_cst, std::memory_order_seq_cst);
    if (claimed) sync::Mark("Claim");
    return claimed;
  }
  bool KickersAreGone() const { return kickers_.Load(std::memory_order_seq_cst) == 0; }
  bool KickersHaveLeft() const {
    sync::Step step;
    const bool left = KickersAreGone();
    if (left) sync::Mark("Release");
    return left;
  }
  uint32_t Prepare() const {
    sync::Step step;
    const uint32_t seen = spot_.Prepare();
    sync::Mark("Prepare");
    return seen;
  }

  // A ringer's.
  void Wake();
  bool SetExit();
  // Sends the signal for `requests`, unless another ringer has since the last entry.
  void Kick(uint32_t requests);
  void Unpark();
  // Claim, where the vCPU was not free but `seen`.
  bool ClaimFrom(Execution seen);
  // Waits until no other thread acts for this vCPU.
  void TakeBack();
  bool IsWaitedFor() const;

  sync::Atomic<uint32_t> requests_{0};
  sync::Atomic<Execution> execution_{Execution::kFree};
  sync::AtomicRef<uint8_t> immediate_exit_;
  sync::ParkingSpot spot_;
  // For a borrower. More than one where a second thread calls Run, to be refused.
  sync::Atomic<uint32_t> waiters_{0};

  // Threads between reading kGuest and having sent their signal. Release waits until there are
  // none.
  sync::Atomic<uint32_t> kickers_{0};
  sync::Atomic<pid_t> thread_{0};
  const pid_t process_;
  sync::Atomic<uint64_t> kicks_{0};
  sync::Atomic<uint64_t> begun_{0}, made_{0};   // entries; the owner writes
  sync::Atomic<uint32_t> parked_at_{0};         // the wake word that it sleeps on; likewise
  sync::Atomic<bool> asleep_{false};            // likewise
  Execution before_borrow_ = Execution::kFree;  // the borrower's
  sync::Atomic<const sync::ThreadState*> borrower_{nullptr};
  const int kick_signal_;
};

}  // namespace muster::vcpu
