#pragma once

#include <cstdint>
#include <string>

namespace muster::rendezvous {

// A vCPU's entries of the guest, numbered from 1. Evidence of who entered when: an entry that was
// begun after the vCPU was told of a call has to find that it was.
struct Entries {
  uint64_t begun = 0;  // stored before the owner looks a last time at whether it is wanted
  uint64_t made = 0;   // the last that passed that look; stored after it
};

// What the rendezvous asks of the layer that runs the vCPUs. All but EntriesOf are called by the
// thread that initiates a call, with none of this library's locks held. Each may be called for a
// vCPU that has just left, and throws nothing.
class Notifier {
 public:
  virtual ~Notifier() = default;

  // Makes the owner of `cpu` call Serve before it next enters the guest, and leave the guest for it
  // if it is there. Pending(cpu) is true before this is called. Must not wait.
  //
  // TryBorrow is asked again after it, for the owner's thread may not be there, and whoever had the
  // run lock has given it back. Who gives it back after that calls Freed(cpu): between "given back"
  // and its look at what this has set, and between this and TryBorrow, all is sequentially
  // consistent, so one of the two sees the other.
  virtual void Notify(int cpu) = 0;

  // Takes the run lock of `cpu` if it is parked (Parked to Borrowed), or free and asleep, so that
  // the caller acts for it without waking it. Must not wait. What it took and gave back in vain, it
  // does not call Freed for.
  virtual bool TryBorrow(int cpu) = 0;

  // Returns what TryBorrow took. An owner that woke meanwhile goes on only after this. An owner
  // that leaves Parked tests Pending, and calls Serve if it is set, before it touches its vCPU:
  // this is what lets a parked vCPU count as standing.
  virtual void GiveBack(int cpu) = 0;

  // What `cpu` is doing, in a few words for a person; "in the guest", "halted".
  virtual std::string Describe(int cpu) = 0;

  // For evidence of defects. No wait, no lock: it may be called with the rendezvous' mutex held.
  // `begun`, read after Notify(cpu) has returned, covers every entry whose last look came before
  // it.
  virtual Entries EntriesOf(int /*cpu*/) { return {}; }

  // Whether `cpu` sleeps though it has reason to be awake, and nothing is on its way to wake it:
  // certain, or false. Asked of the targets of a stop before they are told, which would mend it,
  // and again when they stand. `all_stand`: no thread is in the run loop of a target, and there in
  // the midst of waking another.
  virtual bool WakeIsLost(int /*cpu*/, bool /*all_stand*/) { return false; }
};

}  // namespace muster::rendezvous
