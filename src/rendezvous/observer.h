#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <muster/rendezvous/cpu_set.h>

namespace muster::rendezvous {

// A target that a wait is for: it has not started its part, or is in it.
struct Straggler {
  int cpu = -1;
  bool started = false;
  uint64_t since_ns = 0;  // how long: in the function, or from the publication of the call
  bool notified = false;  // Notifier::Notify was called for it; else it was woken in the library
  uint64_t asked_ns = 0;  // how long ago it was told, by either; 0: not yet, or no need to
  // Entries of the guest that it made all the same, a defect; of more than one, those but the last
  // may have been taken back.
  uint64_t overruns = 0;
  std::string doing = {};  // Notifier::Describe
};

// A call that lasts, and what it waits for; or what a standstill keeps a vCPU's owner from, by the
// name that it has given to Serve. Copies: nothing here belongs to the rendezvous.
struct Wait {
  std::string name;                   // of the call, or of that
  int initiator = -1;                 // the vCPU whose owner waits; -1: another thread
  uint64_t waited_ns = 0;             // since it was called
  bool has_turn = false;              // false: another call or a standstill is before it
  std::string behind = {};            // what that is: its name
  int behind_initiator = -1;          // who has made it, as above
  uint64_t behind_ns = 0;             // since it has had its turn; 0: it is about to have it
  int queued_before = 0;              // other calls that wait, and were made before
  CpuSet standing = {};               // vCPUs that standstills hold
  std::vector<Straggler> stragglers;  // of the call that has its turn, this one or another
};

// In one line for a person.
std::string ToString(const Wait& wait);

// Is told of waits that last; the library itself says nothing.
class Observer {
 public:
  virtual ~Observer() = default;

  // On the thread that waits, with no lock held, and again each time the wait has doubled. The wait
  // goes on when this returns, or throws, which nobody hears of; a call of a rendezvous in here is
  // refused.
  virtual void Waits(const Wait& wait) = 0;
};

// Of a Rendezvous.
struct Options {
  Observer* observer = nullptr;  // outlives the rendezvous
  // How long a wait lasts before the observer first hears of it.
  uint64_t report_after_ns = 1'000'000'000;
};

}  // namespace muster::rendezvous
