#pragma once

#include <string>

namespace muster::rendezvous {

// What the rendezvous asks of the layer that runs the vCPUs. Every function is called by the thread
// that initiates a call, with none of this library's locks held, and may be called for a vCPU that
// has just left.
class Notifier {
 public:
  virtual ~Notifier() = default;

  // Makes the owner of `cpu` call Serve before it next enters the guest, and leave the guest for it
  // if it is there. Pending(cpu) is true before this is called. Must not wait.
  virtual void Notify(int cpu) = 0;

  // Takes the run lock of `cpu` if it is parked (Parked to Borrowed), so that the caller acts for
  // it without waking it. Must not wait.
  virtual bool TryBorrow(int cpu) = 0;

  // Returns what TryBorrow took. An owner that woke meanwhile goes on only after this. An owner
  // that leaves Parked tests Pending, and calls Serve if it is set, before it touches its vCPU:
  // this is what lets a parked vCPU count as standing.
  virtual void GiveBack(int cpu) = 0;

  // What `cpu` is doing, in a few words for a person; "in the guest", "halted".
  virtual std::string Describe(int cpu) = 0;
};

}  // namespace muster::rendezvous
