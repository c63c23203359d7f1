#include "route_storm.h"

#include <atomic>
#include <cstring>
#include <stop_token>
#include <thread>

#include <catch2/catch.hpp>

#include <muster/apic/message.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

constexpr unsigned kPins = 16;  // that are rewritten

// For route_rewriter: flat data, and its own code.
void WriteGdt(uint8_t* ram) {
  const uint64_t gdt[] = {0, 0x00009b008000ffff, 0x00cf93000000ffff};
  memcpy(ram + 0x680, gdt, sizeof(gdt));
  const struct [[gnu::packed]] {
    uint16_t limit = sizeof(gdt) - 1;
    uint32_t base = 0x680;
  } pointer;
  memcpy(ram + 0x6f0, &pointer, sizeof(pointer));
}

}  // namespace

void RouteStorm(int rewriters) {
  constexpr int kPairs = 50;
  const int cpus = rewriters + 2;  // CPU 0 starts them all, the last is started again and again
  TestVm t(cpus);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(start_all_at_once));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(route_rewriter));
  WriteGdt(t.ram());
  const auto last = static_cast<uint32_t>(cpus - 1);
  memcpy(t.ram() + 0x648, &last, sizeof(last));
  t.Start();
  t.AwaitWrites(0x10, 1);

  std::atomic<int> failed{0};
  std::jthread edges([&](const std::stop_token& stop) {
    for (unsigned pin = 0; !stop.stop_requested(); pin = (pin + 1) % kPins) {
      if (!t.vm().SetLine(pin, true).ok()) ++failed;
      if (!t.vm().SetLine(pin, false).ok()) ++failed;
    }
  });
  for (int i = 0; i < kPairs; ++i) {
    apic::Message message{
        .destination = last, .x2apic = true, .delivery_mode = apic::DeliveryMode::kInit};
    if (!t.vm().SendMessage(message).ok()) ++failed;
    message.delivery_mode = apic::DeliveryMode::kStartup;
    message.vector = 8;
    if (!t.vm().SendMessage(message).ok()) ++failed;
  }
  // INIT and SIPI are two meetings of each, all others are of the entries.
  t.Await("a change of routing",
          [&] { return t.Look(1).counters.meetings + t.Look(2).counters.meetings > 4; });
  t.ram()[0x654] = 1;
  t.AwaitWrites(0x20, static_cast<size_t>(rewriters));
  edges.request_stop();
  edges.join();
  CHECK(failed == 0);
  CHECK(t.Look(cpus - 1).counters.startups == 1 + kPairs);
  CHECK(t.Look(cpus - 1).counters.startups_dropped == 0);
  const rendezvous::Counters counters = t.vm().meeting_counters();
  CHECK(counters.overruns == 0);
  CHECK(counters.refused == 0);
}

}  // namespace muster::vcpu
