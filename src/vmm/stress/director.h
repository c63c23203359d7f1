#pragma once

#include <absl/base/thread_annotations.h>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/device/gate_port.h>
#include <muster/vmm/stress/script.h>
#include <muster/vmm/wake/event_fd.h>

namespace muster::vmm {

class Machine;

// A vCPU's coming to a gate.
struct Arrival {
  uint64_t ns = 0;  // by the machine's clock
  GateVisit visit;
  uint64_t rip = 0;
  bool held = false;
  bool interrupts_on = false;
};

// What became of a script's hold.
struct HoldEnd {
  enum class How {
    kNeverBegun,  // its vCPU did not come there
    kStanding,    // at the end of the run it still held
    kMet,         // those it waited for had come
    kForced,      // nobody else could move
  };
  How how = How::kNeverBegun;
  uint64_t ns = 0;  // when it ended
  // kForced: what the others were waiting for, by vCPU.
  std::map<int, DeclaredWait> waits;
};

// Carries out one variant of a script on one machine: holds vCPUs at gates, and lets them go when
// those they wait for have come, or when no other vCPU can move.
//
// That none can move is proved and not guessed at, without stopping anybody. A vCPU that spins says
// so again and again, with the word that it spins on. Where between two looks no vCPU has come to a
// gate, begun or ended a wait or taken an interrupt, each that spins has said so twice, and the
// others were asleep with nothing to wake them, there nobody can have written memory between the
// first and the second time; each spinner has tested its word in between, and will find it so for
// ever.
class Director : public GateKeeper {
 public:
  // `variant` outlives this.
  Director(const Variant& variant, int cpus);
  Director(const Director&) = delete;
  Director& operator=(const Director&) = delete;

  // Before the machine starts; it outlives the calls of Look.
  void Attach(Machine& machine) { machine_ = &machine; }

  // Readable when it may be that nobody can move; then Look finds out, lets a vCPU go that is held,
  // or where none is ends the run: a deadlock. By one thread, which runs no vCPU; takes as long as
  // the vCPUs need to be looked at twice.
  int hint_fd() const { return hint_.fd(); }
  void Look();

  // ---- after the run ----
  std::vector<Arrival> arrivals() const;
  std::vector<HoldEnd> holds() const;  // as in the variant
  std::map<int, std::optional<DeclaredWait>> waits() const;
  bool deadlock() const;
  std::string misuse() const;  // "" or what the guest did to the ports

  // GateKeeper
  void Arrived(const vcpu::Inspection& at, const std::string& gate) override;
  void Waits(int cpu, const std::optional<DeclaredWait>& wait) override;
  void Misused(int cpu, const std::string& how) override;
  void AllAsleep() override { Hint(); }

 private:
  struct Cpu {
    std::optional<size_t> held_by;  // which hold
    std::optional<DeclaredWait> wait;
    uint64_t said = 0;  // times it declared `wait`
  };

  void Hint();
  // Whether each vCPU that spins has said so `times` since `said`.
  bool AllSaid(const std::vector<uint64_t>& said, uint64_t times) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HaveCome(const std::vector<GateVisit>& all) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndHold(size_t hold, HoldEnd::How how) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool NobodyCanMove(const std::vector<vcpu::Inspection>& before,
                     const std::vector<vcpu::Inspection>& after) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Lets the first vCPU go, in the order of the script, that is still held. False: none is.
  bool BreakHold() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Variant& variant_;
  EventFd hint_;
  Machine* machine_ = nullptr;

  mutable sync::Mutex mutex_;
  sync::CondVar said_;
  std::vector<Cpu> cpus_ ABSL_GUARDED_BY(mutex_);
  std::vector<HoldEnd> holds_ ABSL_GUARDED_BY(mutex_);
  std::vector<Arrival> arrivals_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<int, std::string>, int> visits_ ABSL_GUARDED_BY(mutex_);
  uint64_t moves_ ABSL_GUARDED_BY(mutex_) = 0;  // arrivals, waits begun or ended, holds ended
  bool deadlock_ ABSL_GUARDED_BY(mutex_) = false;
  std::string misuse_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace muster::vmm
