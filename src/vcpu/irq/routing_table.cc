#include <muster/vcpu/irq/routing_table.h>

namespace muster::vcpu {
namespace {

using apic::ApicMode;
using apic::DestinationMode;
using apic::Identity;
using apic::LogicalModel;
using apic::Message;
using rendezvous::CpuSet;

// 63:32 the LDR; 31:16 the id (below 1,024); 5:2 the model; 7:6 the mode; 1 whether LINT0 is
// wired; 0 the software enable.
uint64_t Pack(const Identity& identity) {
  return uint64_t{identity.ldr} << 32 | uint64_t{identity.id & 0xffff} << 16 |
         uint64_t{static_cast<uint8_t>(identity.mode)} << 6 |
         uint64_t{static_cast<uint8_t>(identity.model)} << 2 | uint64_t{identity.wired} << 1 |
         uint64_t{identity.software_enabled};
}

Identity Unpack(uint64_t word) {
  return Identity{.id = static_cast<uint32_t>(word >> 16 & 0xffff),
                  .ldr = static_cast<uint32_t>(word >> 32),
                  .model = static_cast<LogicalModel>(word >> 2 & 0xf),
                  .mode = static_cast<ApicMode>(word >> 6 & 3),
                  .software_enabled = (word & 1) != 0,
                  .wired = (word >> 1 & 1) != 0};
}

}  // namespace

RoutingTable::RoutingTable(int cpus)
    : cpus_(cpus), entries_(std::make_unique<Entry[]>(static_cast<size_t>(cpus))) {}

void RoutingTable::Publish(int cpu, const Identity& identity) {
  // Release, with the acquire in identity(): a CPU that has learnt from this one, through guest
  // memory, that its APIC changed finds it changed.
  entries_[cpu].identity.Store(Pack(identity), std::memory_order_release);
}

Identity RoutingTable::identity(int cpu) const {
  return Unpack(entries_[cpu].identity.Load(std::memory_order_acquire));
}

CpuSet RoutingTable::Wired() const {
  CpuSet wired;
  for (int cpu = 0; cpu < cpus_; ++cpu) {
    if (identity(cpu).wired) wired.Add(cpu);
  }
  return wired;
}

CpuSet RoutingTable::Match(const Message& message) const {
  CpuSet matched;
  const auto look_at = [&](uint32_t from, uint32_t to, uint32_t step) {
    for (uint32_t cpu = from; cpu < to && cpu < static_cast<uint32_t>(cpus_); cpu += step) {
      if (apic::Addresses(message, identity(static_cast<int>(cpu)))) {
        matched.Add(static_cast<int>(cpu));
      }
    }
  };
  // Looks only where a match can be; Addresses() alone decides.
  const uint32_t all = message.x2apic ? 0xffffffff : 0xff;
  const auto cpus = static_cast<uint32_t>(cpus_);
  if (message.destination == all) {
    look_at(0, cpus, 1);
  } else if (message.destination_mode == DestinationMode::kPhysical) {
    // An APIC in xAPIC mode knows the low 8 bits of its id.
    look_at(message.destination & 0xff, cpus, 256);
  } else {
    look_at(0, cpus, 1);
  }
  return matched;
}

int RoutingTable::Arbitrate(const CpuSet& candidates) {
  // Relaxed: only spreads the ties.
  const auto start =
      static_cast<int>(turn_.FetchAdd(1, std::memory_order_relaxed) % static_cast<uint32_t>(cpus_));
  int best = -1;
  uint8_t best_priority = 0xff;
  const auto consider = [&](int cpu) {
    if (!identity(cpu).software_enabled) return;
    const auto priority = static_cast<uint8_t>(
        entries_[cpu].priority.Load(std::memory_order_relaxed) & 0xf0);  // stale is fine, as above
    if (best < 0 || priority < best_priority) {
      best = cpu;
      best_priority = priority;
    }
  };
  for (int cpu = candidates.First(start); cpu < cpus_; cpu = candidates.First(cpu + 1)) {
    consider(cpu);
  }
  for (int cpu = candidates.First(); cpu < start; cpu = candidates.First(cpu + 1)) consider(cpu);
  return best;
}

}  // namespace muster::vcpu
