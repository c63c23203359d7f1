// HLT, kicks, stop: who sleeps, who is woken, and by what. On real KVM.

#include <atomic>
#include <poll.h>
#include <thread>

#include <catch2/catch.hpp>

#include <muster/apic/message.h>
#include <muster/vcpu/kvm/host_traits.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

using Write = TestVm::Write;
constexpr uint64_t kTenSeconds = 10'000'000'000;

TEST_CASE("port input and output of each size") {
  TestVm t(1);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(port_echo));
  t.SetInput(0x11, 0x12345678);
  t.Start();
  t.AwaitWrites(0x10, 3);
  CHECK(t.Writes(0x10) ==
        std::vector<Write>{{0, 0x10, 0x78}, {0, 0x10, 0x5678}, {0, 0x10, 0x12345678}});
}

TEST_CASE("a CPU that never exits answers every call", "[lost-kick]") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
  t.Start();
  t.AwaitWrites(0x10, 1);
  int missing = 0;
  const auto kicked = [&] { return t.Look(0).counters.kicks > 0; };
  // And until a kick has met the guest: on a busy machine each may come before it is in there
  // again.
  for (int i = 0; i < 5'000 || (missing == 0 && !kicked()); ++i) {
    if (t.vm().InspectAll(kTenSeconds).size() != 2) ++missing;
  }
  INFO(t.Describe());
  CHECK(missing == 0);
}

TEST_CASE("a CPU that never exits answers with interrupts off too", "[lost-kick][if0-spin]") {
  TestVm t(1);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin_masked));
  t.Start();
  t.AwaitWrites(0x10, 1);
  for (int i = 0; i < 500 || t.Look(0).counters.kicks == 0; ++i) {
    REQUIRE(t.vm().InspectAll(kTenSeconds).size() == 1);
  }
}

TEST_CASE("neither calls nor masked interrupts complete a HLT", "[hlt-pure]") {
  TestVm t(1);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(halt_masked));
  t.Start();
  t.AwaitWrites(0x10, 1);
  t.Await("HLT", [&] { return t.Look(0).state == RunState::kHalted; });
  const uint64_t entries = t.Look(0).counters.entries;
  const apic::Message message{.destination = 0, .x2apic = true, .vector = 0x40};
  for (int i = 0; i < 5'000; ++i) {
    t.Look(0);                                  // by a helper that borrows the sleeping vCPU
    REQUIRE(t.vm().SendMessage(message).ok());  // wakes its thread
  }
  t.Await("the last message", [&] { return t.Look(0).irr == std::vector<uint8_t>{0x40}; });
  const Inspection after = t.Look(0);
  CHECK(after.state == RunState::kHalted);
  CHECK(after.counters.entries == entries);
  CHECK(t.CountWrites(0x11) == 0);
}

TEST_CASE("a HLT is completed by an interrupt that can be taken, and by NMI with IF = 0") {
  SECTION("interrupt") {
    TestVm t(1);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(halt_open));
    t.Load(0x2000, MUSTER_SNIPPET(handler_says));
    t.SetIvt(0x40, 0x2000);
    t.Start();
    for (size_t i = 1; i <= 200; ++i) {
      t.Await("HLT", [&] { return t.Look(0).state == RunState::kHalted; });
      REQUIRE(t.vm().SendMessage({.destination = 0, .x2apic = true, .vector = 0x40}).ok());
      t.AwaitWrites(0x12, i);
    }
    CHECK(t.CountWrites(0x30) == 200);
    CHECK(t.Look(0).counters.injected == 200);
  }
  SECTION("NMI") {
    TestVm t(1);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(halt_masked));
    t.Load(0x2000, MUSTER_SNIPPET(nmi_handler_says));
    t.SetIvt(2, 0x2000);
    t.Start();
    t.Await("HLT", [&] { return t.Look(0).state == RunState::kHalted; });
    REQUIRE(t.vm()
                .SendMessage(
                    {.destination = 0, .x2apic = true, .delivery_mode = apic::DeliveryMode::kNmi})
                .ok());
    t.AwaitWrites(0x11, 1);
    CHECK(t.CountWrites(0x31) == 1);
  }
}

TEST_CASE("a sleeping CPU makes no entries and is not woken") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(halt_masked));
  t.Start();
  const Inspection before = t.AwaitAsleep(0);
  CHECK(before.state == RunState::kHalted);
  poll(nullptr, 0, 50);
  const Inspection after = t.Look(0);
  CHECK(after.counters.entries == before.counters.entries);
  CHECK(after.counters.parks == before.counters.parks);
}

TEST_CASE("a second thread inside Run is refused, and so is a vCPU that has stopped") {
  TestVm t(1);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(halt_masked));
  t.Start();
  // Halted, its thread is inside Run for good.
  t.Await("HLT", [&] { return t.Look(0).state == RunState::kHalted; });
  const Exit second = t.vm().vcpu(0).Run();
  REQUIRE(std::holds_alternative<HostErrorExit>(second));
  CHECK(std::get<HostErrorExit>(second).status.code() == absl::StatusCode::kFailedPrecondition);
  t.Stop();
  CHECK(std::holds_alternative<StoppedExit>(t.vm().vcpu(0).Run()));
}

TEST_CASE("Stop ends Run in the guest, in HLT, in wait-for-SIPI, and before it began") {
  TestVm t(3);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
  t.Start();
  t.AwaitWrites(0x10, 1);
  t.Stop();  // joins all threads
  for (int cpu = 0; cpu < 3; ++cpu) CHECK(std::holds_alternative<StoppedExit>(t.last_exit(cpu)));

  TestVm early(2);
  early.vm().Stop();
  CHECK(std::holds_alternative<StoppedExit>(early.vm().vcpu(1).Run()));
}

TEST_CASE("Stop frees a CPU that waits for one whose thread does not come back", "[die-mid-call]") {
  // CPU 1's caller looks at a flag of its own, and may leave for good between two exits.
  for (int round = 0; round < 60; ++round) {
    TestVm t(2);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(init_again_and_again));
    t.Load(TestVm::kApCode, MUSTER_SNIPPET(says_for_ever));
    REQUIRE(t.vm().SetStart({.mode = StartState::Mode::kReal, .rip = TestVm::kBspCode}).ok());
    std::atomic<bool> leave{false};
    const auto drive = [&](int cpu) {
      while (!leave.load() && std::holds_alternative<PortExit>(t.vm().vcpu(cpu).Run())) {
      }
    };
    std::thread first(drive, 0), second(drive, 1);
    poll(nullptr, 0, 1 + round % 4);
    leave.store(true);
    t.vm().Stop();
    // A thread that hangs ends in this test's timeout.
    first.join();
    second.join();
  }
  SUCCEED("both threads ended, 60 times");
}

TEST_CASE("it is known exactly when no CPU can ever run again") {
  struct Observer : Vm::IdleObserver {
    std::atomic<int> calls{0};
    void AllAsleep() override { ++calls; }
  };
  SECTION("HLT with interrupts off") {
    Observer observer;
    TestVm t(2);
    t.vm().SetIdleObserver(&observer);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(halt_masked));
    t.Load(0x2000, MUSTER_SNIPPET(nmi_handler_says));
    t.SetIvt(2, 0x2000);
    t.Start();
    t.Await("all asleep", [&] { return observer.calls.load() > 0; });
    t.Await("the verdict", [&] { return t.vm().CanNeverRunAgain(); });
    REQUIRE(t.vm()
                .SendMessage(
                    {.destination = 0, .x2apic = true, .delivery_mode = apic::DeliveryMode::kNmi})
                .ok());
    t.AwaitWrites(0x11, 1);
  }
  SECTION("HLT with a timer armed") {
    TestVm t(2);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(timer_armed_far));
    t.Start();
    t.Await("HLT", [&] { return t.Look(0).state == RunState::kHalted; });
    CHECK_FALSE(t.vm().CanNeverRunAgain());
    CHECK(t.Look(0).timer_deadline_ns.has_value());
  }
  SECTION("a CPU that runs") {
    TestVm t(2);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
    t.Start();
    t.AwaitWrites(0x10, 1);
    CHECK_FALSE(t.vm().CanNeverRunAgain());
  }
}

TEST_CASE("a triple fault ends that CPU and no other, and is not taken for sleep") {
  struct Observer : Vm::IdleObserver {
    std::atomic<int> calls{0};
    void AllAsleep() override { ++calls; }
  };
  Observer observer;
  TestVm t(2);
  t.vm().SetIdleObserver(&observer);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(triple_fault));
  t.StartAt({.mode = StartState::Mode::kProtected32, .rip = TestVm::kBspCode});
  t.AwaitWrites(0x10, 1);
  t.Await("the fault", [&] { return std::holds_alternative<GuestFaultExit>(t.last_exit(0)); });
  CHECK(std::get<GuestFaultExit>(t.last_exit(0)).kind == GuestFaultExit::Kind::kTripleFault);
  CHECK(t.Look(1).state == RunState::kWaitForSipi);
  CHECK(t.vm().vcpu(0).Inspect().value().state == RunState::kOffline);
  // Its caller has the fault in hand: whoever listens must not be told that all sleep before that.
  CHECK(observer.calls == 0);
  CHECK_FALSE(t.vm().CanNeverRunAgain());
}

TEST_CASE("an unknown MSR is #GP unless the caller knows it") {
  TestVm t(1);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(unknown_msr));
  t.Load(0x2000, MUSTER_SNIPPET(gp_handler));
  t.SetIvt(13, 0x2000);
  t.Start();
  t.AwaitWrites(0x30, 1);
  CHECK(t.CountWrites(0x10) == 0);
}

TEST_CASE("the end of a Vm does not call an observer that may be gone") {
  struct Observer : Vm::IdleObserver {
    int calls = 0;
    void AllAsleep() override { ++calls; }
  };
  Observer observer;
  TestClock clock;
  {
    auto vm = Vm::Create(KvmOrSkip(), VmConfig{.cpus = 2}, clock);
    REQUIRE(vm.ok());
    (*vm)->SetIdleObserver(&observer);
  }
  CHECK(observer.calls == 0);
}

TEST_CASE("an interrupt from elsewhere finds a narrow window of a CPU that never exits") {
  for (const VmConfig& way :
       {VmConfig{.x2apic = true}, VmConfig{.x2apic = true, .traits = HostTraits{}}}) {
    TestVm t(1, way);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(narrow_windows_for_ever));
    t.Load(0x2000, MUSTER_SNIPPET(handler_says));
    t.SetIvt(0x40, 0x2000);
    t.Start();
    t.AwaitWrites(0x10, 1);
    for (size_t i = 1; i <= 10; ++i) {
      REQUIRE(t.vm().SendMessage({.destination = 0, .x2apic = true, .vector = 0x40}).ok());
      t.AwaitWrites(0x30, i);
    }
    CHECK(t.CountWrites(0x30) == 10);
  }
}

}  // namespace
}  // namespace muster::vcpu
