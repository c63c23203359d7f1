#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <muster/rendezvous/cpu_set.h>
#include <muster/rendezvous/sync.h>

#include "absl/functional/function_ref.h"

namespace muster::rendezvous {

// Who calls: a thread that holds the run lock of a vCPU, or any other.
class Initiator {
 public:
  // The holder of the run lock of `cpu`.
  static constexpr Initiator Vcpu(int cpu) { return Initiator(cpu); }
  // A thread that holds no run lock.
  static constexpr Initiator Outside() { return Initiator(kOutside); }

  // Whether it is a vCPU.
  constexpr bool is_vcpu() const { return cpu_ != kOutside; }
  // Its number; -1 where it is none.
  constexpr int cpu() const { return cpu_; }

 private:
  static constexpr int kOutside = -1;
  constexpr explicit Initiator(int cpu) : cpu_(cpu) {}
  int cpu_;
};

// Which thread may run a function for a vCPU: its owner, or also a helper that has borrowed the
// vCPU while it is parked.
enum class Runs { kOnOwnerThread, kAnywhere };

// A function to be run once for each of some vCPUs by a holder of that vCPU's run lock. The
// functions of one call run in parallel, with no lock of this library held. A function must not
// throw, which ends the process, call a rendezvous, or, if it runs anywhere, wait for another vCPU.
struct Call {
  CpuSet targets;
  absl::FunctionRef<void(int cpu)> function;
  Runs runs = Runs::kOnOwnerThread;
  uint64_t deadline = sync::kNever;  // sync::Now() past which no function starts
  const char* name = "call";         // for diagnosis; outlives the call
  // It does not wait for standstills, and runs also for those that stand: see Standstill::Execute.
  bool through_standstills = false;
};

// A vCPU that was withdrawn, and what it was doing instead of starting.
struct Laggard {
  int cpu;
  std::string doing;
};

// What became of each target: every one is in exactly one of the four sets.
struct Outcome {
  CpuSet ran;        // the function has run, once, and what it wrote is visible
  CpuSet left;       // left after the call was published and before its function started
  CpuSet withdrawn;  // had not started by the deadline, and will not
  CpuSet unknown;    // was not there when the call was published
  std::vector<Laggard> laggards;  // one for each of `withdrawn`

  // Whether the function has run for every target.
  bool Complete() const { return left.Empty() && withdrawn.Empty() && unknown.Empty(); }
};

// What one Serve did; nothing at all is a spurious entry.
struct Served {
  int functions = 0;  // run, for calls or through a standstill
  bool held = false;  // stood still
  // Whether there was nothing to do.
  bool spurious() const { return functions == 0 && !held; }
};

// Totals since construction.
struct Counters {
  uint64_t calls = 0;  // published, stops included
  uint64_t ran = 0;    // parts that ended thus: see Outcome
  uint64_t left = 0;
  uint64_t withdrawn = 0;
  uint64_t helped = 0;    // parts run by a helper; `ran` includes them
  uint64_t notified = 0;  // Notifier::Notify
  uint64_t woken = 0;     // targets that waited in the library, woken there
  uint64_t spurious = 0;  // Serve that found nothing to do
  uint64_t refused = 0;   // calls from a forbidden context
  uint64_t stops = 0;     // standstills granted
  uint64_t aside = 0;     // waits of members that have finished, for others who need their core

  // Defects, each seen and none inferred from time: 0 whatever happens.
  uint64_t overruns = 0;    // entries of the guest by a vCPU that was told first: see Straggler
  uint64_t escapes = 0;     // vCPUs that entered the guest in a standstill that held them
  uint64_t lost_wakes = 0;  // vCPUs found asleep at a stop with reason to be awake

  // A statistic: parts by the time from publication to start, in [0] those below 1 us, in [i] those
  // below 2^i us, in the last all others.
  std::array<uint64_t, 24> start_delay{};
  uint64_t reports = 0;  // Observer::Waits
};

}  // namespace muster::rendezvous
