// Looks at vCPUs from outside, while others look, run or stand. On real KVM.

#include <atomic>
#include <stop_token>
#include <thread>

#include <catch2/catch.hpp>

#include <muster/apic/message.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

constexpr uint64_t kTenSeconds = 10'000'000'000;

TEST_CASE("a look without a deadline waits for a CPU that runs") {
  TestVm t(1);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
  t.Start();
  t.AwaitWrites(0x10, 1);
  CHECK(t.vm().InspectAll(sync::kNever).size() == 1);
}

TEST_CASE("a CPU that is asked for a look on its way out of Run is looked at there") {
  TestVm t(1, {.trace_events = 8});
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(says_for_ever));
  REQUIRE(t.vm().SetStart({.mode = StartState::Mode::kReal, .rip = TestVm::kBspCode}).ok());
  REQUIRE(std::holds_alternative<PortExit>(t.vm().vcpu(0).Run()));
  std::vector<Inspection> seen;
  std::thread looker;
  // The time of the exit, which is recorded.
  t.clock().AtNextLook(std::this_thread::get_id(), [&] {
    looker = std::thread([&] { seen = t.vm().InspectAll(sync::kNever); });
    while (t.vm().meeting_counters().notified == 0) std::this_thread::yield();
  });
  REQUIRE(std::holds_alternative<PortExit>(t.vm().vcpu(0).Run()));
  REQUIRE(looker.joinable());
  looker.join();
  CHECK(seen.size() == 1);
}

TEST_CASE("in a pause all CPUs can be looked at, through the pause") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
  t.Start();
  t.AwaitWrites(0x10, 1);
  absl::StatusOr<Pause> pause = t.vm().Pause(kTenSeconds);
  REQUIRE(pause.ok());
  const std::vector<Inspection> first = pause->InspectAll();
  const std::vector<Inspection> second = pause->InspectAll();
  REQUIRE(first.size() == 2);
  REQUIRE(second.size() == 2);
  CHECK(first[0].rip == second[0].rip);
  CHECK(first[1].state == RunState::kWaitForSipi);
  const Inspection alone = pause->Inspect(0).value();
  CHECK(alone.cpu == 0);
  CHECK(alone.rip == first[0].rip);
  CHECK(absl::IsNotFound(pause->Inspect(2).status()));
  REQUIRE(pause->Resume().ok());
  CHECK(pause->InspectAll().empty());
  CHECK(absl::IsFailedPrecondition(pause->Inspect(0).status()));
}

TEST_CASE("who asks one CPU that is awake inside Run is told so, and does not wait") {
  TestVm t(1);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
  t.Start();
  t.AwaitWrites(0x10, 1);
  // It has yet to be run again after its write.
  t.Await("CPU 0 to be inside Run", [&] { return !t.vm().vcpu(0).Inspect().ok(); });
  for (const absl::Status& status :
       {t.vm().vcpu(0).Inspect().status(), t.vm().vcpu(0).Events().status()}) {
    CHECK(status == absl::FailedPreconditionError(
                        "vCPU 0 does not stand still: its thread is awake inside Run"));
  }
  t.Stop();
  CHECK(t.vm().vcpu(0).Inspect().value().cpu == 0);
}

TEST_CASE("that all sleep for good is not missed because somebody looks at them meanwhile") {
  struct Observer : Vm::IdleObserver {
    std::atomic<int> calls{0};
    void AllAsleep() override {
      ++calls;
      calls.notify_all();
    }
  } observer;
  TestVm t(1);
  t.vm().SetIdleObserver(&observer);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(halt_masked));
  t.Load(0x2000, MUSTER_SNIPPET(nmi_handler_says));
  t.SetIvt(2, 0x2000);
  t.Start();
  t.AwaitWrites(0x10, 1);
  // One look for each call of the observer's, as its caller is told to. The last one counts.
  std::atomic<int> asked{0};
  std::atomic<bool> asleep{false};
  std::jthread tend([&](const std::stop_token& stop) {
    for (int seen = 0; !stop.stop_requested();) {
      observer.calls.wait(seen);
      seen = observer.calls;
      asleep = t.vm().CanNeverRunAgain();
      asked = seen;
    }
  });
  const std::jthread looker([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) (void)t.vm().InspectAll(kTenSeconds);
  });
  for (int round = 0; round < 100; ++round) {
    const int before = observer.calls;
    REQUIRE(t.vm()
                .SendMessage(
                    {.destination = 0, .x2apic = true, .delivery_mode = apic::DeliveryMode::kNmi})
                .ok());
    t.Await("the verdict after the last sleep",
            [&] { return observer.calls > before && asked == observer.calls && asleep; });
  }
  tend.request_stop();
  ++observer.calls;
  observer.calls.notify_all();
}

}  // namespace
}  // namespace muster::vcpu
