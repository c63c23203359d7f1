#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <utility>

#include <catch2/catch.hpp>

#include <muster/apic/ioapic_regs.h>
#include <muster/vcpu/irq/fabric.h>

// A fabric with APICs that are nothing but their published identities, and a record of what it has
// posted.
namespace muster::vcpu {

using apic::ApicMode;
using apic::Identity;
using apic::Ipi;
using apic::LogicalModel;
using apic::Message;
using apic::Shorthand;
using rendezvous::CpuSet;

struct Recorder : MessageSink {
  std::map<int, int> posts;  // cpu: how many
  int last_vector = 0;
  CpuSet nmis, smis, extints, inits, startups, taken;
  int init_source = -2;
  std::function<absl::Status()> at_take_mail;  // what the next meeting of a routing change does

  uint64_t NowIfRecorded() override { return 0; }
  void Post(const Origin&, int cpu, uint8_t vector, apic::TriggerMode) override {
    ++posts[cpu];
    last_vector = vector;
  }
  void PostNmi(const Origin&, int cpu) override { nmis.Add(cpu); }
  void PostSmi(int cpu) override { smis.Add(cpu); }
  void PostExtInt(const Origin&, int cpu) override { extints.Add(cpu); }
  absl::Status Init(const Origin& origin, const CpuSet& targets) override {
    init_source = origin.cpu;
    inits |= targets;
    return absl::OkStatus();
  }
  absl::Status Startup(const Origin&, const CpuSet& targets, uint8_t vector) override {
    startups |= targets;
    last_vector = vector;
    return absl::OkStatus();
  }
  absl::Status TakeMail(const Origin&, const CpuSet& targets) override {
    taken |= targets;
    return at_take_mail ? std::exchange(at_take_mail, nullptr)() : absl::OkStatus();
  }
  CpuSet posted() const {
    CpuSet set;
    for (const auto& [cpu, count] : posts) set.Add(cpu);
    return set;
  }
};

struct Bus {
  Recorder sink;
  Fabric fabric;

  explicit Bus(int cpus, ApicMode mode = ApicMode::kXapic)
      : fabric(cpus, apic::IoApicConfig{}, sink) {
    for (int cpu = 0; cpu < cpus; ++cpu) {
      const auto id = static_cast<uint32_t>(cpu);
      fabric.table().Publish(cpu,
                             Identity{.id = id,
                                      .ldr = mode == ApicMode::kX2apic ? apic::LogicalX2ApicId(id)
                                                                       : (1u << (cpu % 8)) << 24,
                                      .model = LogicalModel::kFlat,
                                      .mode = mode,
                                      .software_enabled = true});
    }
  }
  void Send(int source, Message message, Shorthand shorthand = Shorthand::kNone) {
    REQUIRE(fabric.SendIpi(source, Ipi{message, shorthand}).ok());
  }
};

// A pin of the I/O APIC, whose messages nobody takes.
struct Pins : Bus {
  using Bus::Bus;
  static constexpr unsigned kPin = 3;

  void Store(uint32_t offset, uint32_t value) {
    uint8_t bytes[4];
    memcpy(bytes, &value, sizeof(value));
    REQUIRE(fabric.ioapic().Write(kOutside, offset, bytes).ok());
  }
  void Route(uint32_t low, uint32_t destination) {
    Store(apic::kIoRegSel, 0x11 + 2 * kPin);
    Store(apic::kIoWin, destination << 24);
    Store(apic::kIoRegSel, 0x10 + 2 * kPin);
    Store(apic::kIoWin, low);
  }
  void Assert() { REQUIRE(fabric.ioapic().SetLine(kOutside, kPin, true).ok()); }
  bool RemoteIrr() const {
    return fabric.ioapic().Snapshot().entry(kPin).Get<apic::Rte::RemoteIrr>();
  }
  void Enable(int cpu, bool enabled) {
    Identity identity = fabric.table().identity(cpu);
    identity.software_enabled = enabled;
    fabric.table().Publish(cpu, identity);
  }
  void Remove(int cpu) {
    fabric.table().Publish(cpu, Identity{.mode = ApicMode::kDisabled});
    fabric.ioapic().Removed(cpu);
  }
};
}  // namespace muster::vcpu
