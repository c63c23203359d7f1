#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <muster/apic/ioapic.h>
#include <muster/vcpu/run/inspection.h>
#include <muster/vcpu/trace/event_ring.h>
#include <muster/vmm/device/access_counts.h>
#include <muster/vmm/load/source_lines.h>
#include <muster/vmm/load/symbols.h>
#include <muster/vmm/machine/ending.h>
#include <muster/vmm/machine/wake_ups.h>
#include <muster/vmm/report/pins.h>

namespace muster::vmm {

// All that is known of a run, now or after its end. What it looks like is for the renderers.
struct RunReport {
  std::string image;
  std::string format;
  int cpus = 0;
  uint64_t memory_bytes = 0;
  uint64_t start_ns = 0;         // by the machine's clock
  uint64_t now_ns = 0;           // when it was made
  std::optional<Ending> ending;  // nothing while the run goes on
  // By vCPU; the ending has the one that came first. Bytes that KVM did not give are from memory.
  std::vector<GuestFault> faults;

  std::vector<vcpu::Inspection> vcpus;           // by number; those that did not answer are missing
  size_t trace_events = 0;                       // as many of each vCPU are kept at least
  std::vector<std::vector<vcpu::Event>> events;  // by vCPU; empty where nothing was recorded

  std::vector<vcpu::Event> outside_events;  // posts that came from no vCPU

  std::vector<AccessCounts::Row> unknown_ports, unknown_addresses, unknown_msrs;
  // Accesses to more of them than AccessCounts::kMostAddresses.
  uint64_t other_ports = 0, other_addresses = 0, other_msrs = 0;

  std::vector<WaitingPin> pins;
  apic::IoApicCounters ioapic_counters;
  int restarts = 0;  // soft resets that led to the image's start
  WakeUps wake_ups;

  SymbolTable symbols;
  SourceLines lines;  // for AddressesOf this

  uint64_t wall_ns() const { return now_ns - start_ns; }
  const vcpu::Inspection* Find(int cpu) const;
  const GuestFault* FaultOf(int cpu) const;  // nullptr where it did not crash
  // "ipi.c:120", or "" where it is not known.
  std::string Line(uint64_t address) const;
  // Where the fault was, as symbols and lines go: linear, so with the base of its vCPU's CS.
  uint64_t AddressOf(const GuestFault& fault) const;
};

// The code addresses that a report shows.
std::vector<uint64_t> AddressesOf(const RunReport& report);

}  // namespace muster::vmm
