// Who is told that all CPUs sleep, and when. On real KVM.

#include <atomic>

#include <catch2/catch.hpp>

#include <muster/apic/message.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

struct Observer : Vm::IdleObserver {
  std::atomic<int> calls{0};
  void AllAsleep() override { ++calls; }
};

TEST_CASE("an idle guest with a periodic timer tells nobody each time that it sleeps", "[idle]") {
  Observer observer;
  TestVm t(2);
  t.vm().SetIdleObserver(&observer);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(timer_periodic_halts));
  t.Load(0x2000, MUSTER_SNIPPET(handler_counts));
  t.SetIvt(0x40, 0x2000);
  t.Start();
  t.AwaitWrites(0x10, 1);
  const Counters timed = t.Look(0).counters, other = t.AwaitAsleep(1).counters;
  CHECK(timed.parks >= 2);
  t.AwaitWrites(0x10, t.CountWrites(0x10) + 2);
  CHECK(t.Look(0).counters.parks > timed.parks);
  CHECK(t.Look(1).counters.parks == other.parks);  // it sleeps on
  CHECK(t.Look(1).counters.entries == other.entries);
  CHECK(observer.calls == 0);
}

TEST_CASE("that all sleep is told when an INIT from outside takes the last timer", "[idle]") {
  Observer observer;
  TestVm t(2);
  t.vm().SetIdleObserver(&observer);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(halt_masked));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(timer_armed_far));
  t.Start();
  t.Await("HLT", [&] { return t.Look(0).state == RunState::kHalted; });
  REQUIRE(t.vm()
              .SendMessage({.destination = 1,
                            .x2apic = true,
                            .delivery_mode = apic::DeliveryMode::kStartup,
                            .vector = TestVm::kApCode >> 12})
              .ok());
  t.Await("HLT of the other", [&] {
    const Inspection other = t.Look(1);
    return other.state == RunState::kHalted && other.timer_deadline_ns.has_value();
  });
  CHECK_FALSE(t.vm().CanNeverRunAgain());
  const int before = observer.calls;
  REQUIRE(t.vm()
              .SendMessage(
                  {.destination = 1, .x2apic = true, .delivery_mode = apic::DeliveryMode::kInit})
              .ok());
  t.Await("being told", [&] { return observer.calls > before; });
  t.Await("the verdict", [&] { return t.vm().CanNeverRunAgain(); });
}

TEST_CASE("who is told that all sleep may change while vCPUs run", "[idle]") {
  Observer first, second;
  TestVm t(2);
  t.vm().SetIdleObserver(&first);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(halt_masked));
  t.Start();
  t.Await("being told", [&] { return first.calls > 0; });
  t.vm().SetIdleObserver(&second);
  // A sleeper that wakes and finds nothing to do.
  t.Await("the other being told", [&] {
    t.vm().TimerExpired(0);
    return second.calls > 0;
  });
  t.vm().SetIdleObserver(nullptr);
  const auto pause = t.vm().Pause(10'000'000'000);
  REQUIRE(pause.ok());
}

}  // namespace
}  // namespace muster::vcpu
