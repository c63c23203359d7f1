#pragma once

#include <cstdint>
#include <memory>

#include <muster/apic/identity.h>
#include <muster/apic/message.h>
#include <muster/rendezvous/cpu_set.h>
#include <muster/rendezvous/sync.h>

namespace muster::vcpu {

// What every vCPU's APIC answers to, published by its owner as one atomic word each and read by
// whoever routes a message. The APIC id of vCPU n is n.
class RoutingTable {
 public:
  explicit RoutingTable(int cpus);

  int cpus() const { return cpus_; }

  // By the holder of the vCPU's run lock, before the access that changed it completes.
  void Publish(int cpu, const apic::Identity& identity);
  apic::Identity identity(int cpu) const;

  // The processor priority, for lowest-priority arbitration; may be stale when it is read.
  void PublishPriority(int cpu, uint8_t ppr) {
    // Relaxed: arbitration may use any recent value, as on a bus.
    entries_[cpu].priority.Store(ppr, std::memory_order_relaxed);
  }

  // The vCPUs whose APICs `message` names.
  rendezvous::CpuSet Match(const apic::Message& message) const;

  // Those that what is wired to every LINT0 has an effect on.
  rendezvous::CpuSet Wired() const;

  // Of `candidates`, the software-enabled one of lowest published priority; ties go round. -1
  // where none is enabled. SDM "Lowest Priority Delivery Mode".
  int Arbitrate(const rendezvous::CpuSet& candidates);

 private:
  struct alignas(64) Entry {
    sync::Atomic<uint64_t> identity;
    sync::Atomic<uint8_t> priority;
  };

  const int cpus_;
  std::unique_ptr<Entry[]> entries_;
  sync::Atomic<uint32_t> turn_{0};
};

}  // namespace muster::vcpu
