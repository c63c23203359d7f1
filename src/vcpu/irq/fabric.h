#pragma once

#include <absl/status/status.h>
#include <cstdint>

#include <muster/apic/message.h>
#include <muster/rendezvous/cpu_set.h>
#include <muster/vcpu/irq/routing_table.h>
#include <muster/vcpu/irq/shared_ioapic.h>

namespace muster::vcpu {

// In place of a vCPU's number: a device, or another thread of the VM's user.
inline constexpr int kOutside = -1;

// Where a message comes from.
struct Origin {
  enum class Kind : uint8_t { kIpi, kPin, kMsi };
  Kind kind = Kind::kMsi;
  int cpu = kOutside;  // whose owner sends it
  uint8_t pin = 0;     // of the I/O APIC
  uint64_t ns = 0;     // what NowIfRecorded said when it was sent; 0: the sink asks when it records

  static Origin Ipi(int cpu) { return {.kind = Kind::kIpi, .cpu = cpu}; }
  static Origin Pin(int cpu, uint8_t pin, uint64_t ns = 0) {
    return {.kind = Kind::kPin, .cpu = cpu, .pin = pin, .ns = ns};
  }
};

// Where routed messages end up: the VM's vCPUs. The posts never wait and take no lock that a poster
// may hold; the others meet their targets and are done when they return. Errors are the meeting's.
class MessageSink {
 public:
  virtual ~MessageSink() = default;

  // The time, in ns, where messages are recorded, else 0. It is the user's code that tells it, and
  // it may call back in: who posts with a lock held asks before it takes that.
  virtual uint64_t NowIfRecorded() = 0;

  virtual void Post(const Origin& origin, int cpu, uint8_t vector, apic::TriggerMode trigger) = 0;
  virtual void PostNmi(const Origin& origin, int cpu) = 0;
  virtual void PostSmi(int cpu) = 0;
  virtual void PostExtInt(const Origin& origin, int cpu) = 0;

  virtual absl::Status Init(const Origin& origin, const rendezvous::CpuSet& targets) = 0;
  virtual absl::Status Startup(const Origin& origin, const rendezvous::CpuSet& targets,
                               uint8_t vector) = 0;
  // Each target takes in the mail that was posted to it.
  virtual absl::Status TakeMail(const Origin& origin, const rendezvous::CpuSet& targets) = 0;
};

// Carries messages between APICs: matches destinations and hands each target its mail. It holds no
// lock but the I/O APIC's, and sleeps only where the sink meets vCPUs.
class Fabric {
 public:
  Fabric(int cpus, const apic::IoApicConfig& ioapic, MessageSink& sink)
      : table_(cpus), sink_(sink), ioapic_(ioapic, *this) {}

  RoutingTable& table() { return table_; }
  SharedIoApic& ioapic() { return ioapic_; }
  const SharedIoApic& ioapic() const { return ioapic_; }

  // By the owner of vCPU `source`.
  absl::Status SendIpi(int source, const apic::Ipi& ipi);
  // What a device writes to the address of an MSI. By the owner of vCPU `source`, or kOutside.
  absl::Status SendMessage(int source, const apic::Message& message);

  // For SharedIoApic: who takes a message, possibly nobody; sending it to them, at `ns` (of
  // NowIfRecorded); and the meeting after which no message of an entry's former routing, that went
  // to `receivers`, is on its way. `source` is the vCPU on whose thread this is, or kOutside.
  uint64_t NowIfRecorded() { return sink_.NowIfRecorded(); }
  rendezvous::CpuSet Takers(const apic::Message& message) {
    return Narrow(message, table_.Match(message));
  }
  absl::Status SendFromPin(int source, uint64_t ns, const apic::PinMessage& sent,
                           const rendezvous::CpuSet& takers) {
    return Send(Origin::Pin(source, sent.pin, ns), sent.message, takers);
  }
  absl::Status Reroute(int source, const apic::RoutingChange& change,
                       const rendezvous::CpuSet& receivers);

 private:
  // Of those that a message addresses, the ones it goes to: lowest priority leaves one or none.
  rendezvous::CpuSet Narrow(const apic::Message& message, const rendezvous::CpuSet& addressed);
  absl::Status Route(const Origin& origin, const apic::Message& message,
                     const rendezvous::CpuSet& addressed) {
    return Send(origin, message, Narrow(message, addressed));
  }
  absl::Status Send(const Origin& origin, const apic::Message& message,
                    const rendezvous::CpuSet& targets);

  RoutingTable table_;
  MessageSink& sink_;
  SharedIoApic ioapic_;
};

}  // namespace muster::vcpu
