// What would show one time in a million.

#include <catch2/catch.hpp>

#include "route_storm.h"
#include "test_vm.h"

namespace muster::vcpu {
namespace {

TEST_CASE("of a million calls of a CPU that never exits none is lost", "[lost-kick]") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
  t.Start();
  t.AwaitWrites(0x10, 1);
  int missing = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    if (t.vm().InspectAll(10'000'000'000).size() != 2) ++missing;
  }
  CHECK(missing == 0);
  CHECK(t.vm().meeting_counters().overruns == 0);
}

TEST_CASE("64 CPUs rewrite entries while another is reset and started, and edges come",
          "[route-storm]") {
  RouteStorm(64);
}

TEST_CASE("a hundred thousand calls and interrupts that cannot be taken complete no HLT",
          "[hlt-pure]") {
  TestVm t(1);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(halt_masked));
  t.Start();
  t.AwaitWrites(0x10, 1);
  t.Await("HLT", [&] { return t.Look(0).state == RunState::kHalted; });
  const uint64_t entries = t.Look(0).counters.entries;
  int failed = 0;
  const auto looked = [&] { return t.vm().InspectAll(10'000'000'000).size() == 1; };
  for (int i = 0; i < 100'000; ++i) {
    if (!looked()) ++failed;  // by a helper that borrows the sleeping vCPU
    // Wakes its thread, which is then met awake as often as not.
    if (!t.vm().SendMessage({.destination = 0, .x2apic = true, .vector = 0x40}).ok()) ++failed;
    if (!looked()) ++failed;
  }
  CHECK(failed == 0);
  t.Await("HLT", [&] { return t.Look(0).state == RunState::kHalted; });
  CHECK(t.Look(0).counters.entries == entries);
  CHECK(t.CountWrites(0x11) == 0);
  CHECK(t.vm().meeting_counters().notified > 0);  // calls on its own thread
  CHECK(t.vm().meeting_counters().overruns == 0);
}

}  // namespace
}  // namespace muster::vcpu
