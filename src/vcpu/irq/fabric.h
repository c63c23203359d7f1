#pragma once

#include <absl/status/status.h>
#include <cstdint>

#include <muster/apic/message.h>
#include <muster/rendezvous/cpu_set.h>
#include <muster/vcpu/irq/routing_table.h>

namespace muster::vcpu {

// Where routed messages end up: the VM's vCPUs. All but Init and Startup only post, and may be
// called from any thread.
class MessageSink {
 public:
  virtual ~MessageSink() = default;

  virtual void Post(int cpu, uint8_t vector, apic::TriggerMode trigger) = 0;
  virtual void PostNmi(int cpu) = 0;
  virtual void PostSmi(int cpu) = 0;
  // Meet the targets; done when this returns. `source` is the sending vCPU or Fabric::kOutside.
  virtual absl::Status Init(int source, const rendezvous::CpuSet& targets) = 0;
  virtual absl::Status Startup(int source, const rendezvous::CpuSet& targets, uint8_t vector) = 0;
};

// Carries messages between APICs: matches destinations and hands each target its mail. It holds no
// lock and sleeps only where the sink meets vCPUs.
class Fabric {
 public:
  static constexpr int kOutside = -1;

  Fabric(int cpus, MessageSink& sink) : table_(cpus), sink_(sink) {}

  RoutingTable& table() { return table_; }

  // By the thread that holds the run lock of `source`. Errors are the sink's.
  absl::Status SendIpi(int source, const apic::Ipi& ipi);

  // An interrupt message from a device: an MSI, or what an I/O APIC sends. Any thread.
  absl::Status SendMessage(const apic::Message& message) {
    return Send(kOutside, message, Match(message));
  }

 private:
  rendezvous::CpuSet Match(const apic::Message& message) const { return table_.Match(message); }
  absl::Status Send(int source, const apic::Message& message, const rendezvous::CpuSet& targets);

  RoutingTable table_;
  MessageSink& sink_;
};

}  // namespace muster::vcpu
