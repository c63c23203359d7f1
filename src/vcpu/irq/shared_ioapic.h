#pragma once

#include <absl/status/status.h>
#include <array>
#include <cstdint>
#include <span>

#include <muster/apic/ioapic.h>
#include <muster/rendezvous/cpu_set.h>
#include <muster/rendezvous/sync.h>

namespace muster::vcpu {

class Fabric;

// The I/O APIC that all vCPUs and devices share: the model, its lock, and what a change of routing
// asks for. Any thread, unless said otherwise.
//
// Messages are posted before the lock is released, so that whoever changes an entry finds every
// message of the old one posted. INIT is the exception: it meets its targets, with no lock held.
class SharedIoApic {
 public:
  SharedIoApic(const apic::IoApicConfig& config, Fabric& fabric)
      : fabric_(fabric), ioapic_(config) {}

  // By the owner of vCPU `source`, or by nobody: kOutside. Errors are those of a meeting: of an
  // INIT that a pin sends, or of a change of routing.
  absl::Status SetLine(int source, unsigned pin, bool asserted) ABSL_LOCKS_EXCLUDED(mutex_);

  void Read(uint32_t offset, std::span<uint8_t> data) ABSL_LOCKS_EXCLUDED(mutex_);
  // By the owner of vCPU `source`. When this returns, no message of an entry that it changed is on
  // its way: it is in an IRR, or it was discarded and the pin knows. An INIT is no such message:
  // its sender may still meet for it.
  absl::Status Write(int source, uint32_t offset, std::span<const uint8_t> data)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // By the owner of vCPU `source`, as Retry.
  absl::Status Eoi(int source, uint8_t vector) ABSL_LOCKS_EXCLUDED(mutex_);
  // vCPU `cpu` has discarded a level message, with an APIC that it has published as disabled. By
  // the holder of its run lock. Where nobody else has the message, the pin waits for no EOI; in
  // lowest-priority mode, in which it went to one of several, another of them gets it. `ns`: of
  // NowIfRecorded, where a lock is held; else 0.
  void Discarded(int cpu, uint8_t vector, uint64_t ns = 0) ABSL_LOCKS_EXCLUDED(mutex_);
  // vCPU `cpu` has been taken out of the VM, and published as disabled: whatever it has accepted,
  // or was about to be sent, it ends no more. By the holder of its run lock. What nobody else has
  // goes to whom the entry names now.
  void Removed(int cpu) ABSL_LOCKS_EXCLUDED(mutex_);
  // A local APIC has been enabled: it may accept what it discarded.
  absl::Status Retry(int source) ABSL_LOCKS_EXCLUDED(mutex_);

  // Every pin masked, as firmware leaves them. Meets nobody: what the pins have sent may arrive.
  void Reset() ABSL_LOCKS_EXCLUDED(mutex_);

  apic::IoApic Snapshot() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Runs `change` on the model, for the owner of vCPU `source` or for nobody, and delivers
  // what comes of it. `ns`: as Discarded.
  template <typename Change>
  absl::Status Apply(int source, Change&& change, uint64_t ns = 0) ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Status Evaluate(int source, unsigned pin) ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes `cpu` out of those who have what the pin sent; whether that leaves nobody.
  bool WasTheLast(int cpu, unsigned pin) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  struct Pin {
    // To whom its last level message went, without those who have discarded it.
    rendezvous::CpuSet takers;
    // To whom messages went since the routing last changed; and those who have messages of before,
    // and are being met for that by so many writers.
    rendezvous::CpuSet receivers, being_met;
    int writers = 0;
  };

  // The routing of `pin` changes: whom to meet because of what it has sent. Those that another
  // writer still meets are among them: until that is done it is not known that they have it.
  rendezvous::CpuSet BeginReroute(Pin& pin) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndReroute(Pin& pin, const rendezvous::CpuSet& receivers, bool met)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Fabric& fabric_;
  mutable sync::Mutex mutex_;
  apic::IoApic ioapic_ ABSL_GUARDED_BY(mutex_);
  std::array<Pin, apic::kMaxIoApicPins> pins_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace muster::vcpu
