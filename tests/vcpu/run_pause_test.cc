// The world stands still, and what meets what meanwhile. On real KVM.

#include <atomic>
#include <cstring>
#include <mutex>
#include <optional>
#include <poll.h>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include <muster/apic/message.h>
#include <muster/rendezvous/observer.h>
#include <muster/vcpu/kvm/host_traits.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

constexpr uint64_t kTenSeconds = 10'000'000'000;

constexpr apic::Message kInitOfCpu1{
    .destination = 1, .x2apic = true, .delivery_mode = apic::DeliveryMode::kInit};
constexpr apic::Message kSipiOfCpu1{.destination = 1,
                                    .x2apic = true,
                                    .delivery_mode = apic::DeliveryMode::kStartup,
                                    .vector = TestVm::kApCode >> 12};

TEST_CASE("in a pause no CPU enters the guest and the clock stands, after it all go on") {
  TestVm t(3);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(ap_counts));
  t.Start();
  t.Await("counting", [&] { return t.Word(0x600) > 0; });
  const Inspection asleep = t.AwaitAsleep(1);
  for (int i = 0; i < 20; ++i) {
    absl::StatusOr<Pause> pause = t.vm().Pause(kTenSeconds);
    REQUIRE(pause.ok());
    CHECK(pause->standing() == rendezvous::CpuSet{0, 1, 2});
    const uint32_t count = t.Word(0x600);
    const uint64_t now = t.ClockNs();
    poll(nullptr, 0, 3);
    CHECK(t.Word(0x600) == count);
    CHECK(t.ClockNs() == now);
    CHECK(pause->Resume().ok());
    CHECK(pause->standing().Empty());
    t.Await("counting", [&] { return t.Word(0x600) != count; });
    CHECK(t.ClockNs() > now);
  }
  CHECK(t.vm().meeting_counters().stops == 20);
  CHECK(t.Look(1).counters.entries == 0);  // asleep all the time: never woken for it
  CHECK(t.Look(1).counters.parks == asleep.counters.parks);
  CHECK(t.vm().meeting_counters().refused == 0);
}

// By how much the guest's TSC moved over a pause, by how much the host's in it, and at most
// outside.
struct OverPause {
  uint64_t guest, host, running;
};
OverPause TscOverPause(const VmConfig& config) {
  TestVm t(1, config);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(tsc_on_demand));
  t.Start();
  size_t reads = 0;
  const auto read = [&] {
    t.ram()[0x500] = 1;
    t.AwaitWrites(0x10, ++reads);
    return uint64_t{t.Word(0x514)} << 32 | t.Word(0x510);
  };
  // The first finds out whether RDTSC obeys its offset.
  REQUIRE(t.vm().Pause(kTenSeconds).ok());
  const uint64_t start = __builtin_ia32_rdtsc();
  const uint64_t before = read();
  absl::StatusOr<Pause> pause = t.vm().Pause(kTenSeconds);
  REQUIRE(pause.ok());
  const uint64_t begin = __builtin_ia32_rdtsc();
  const uint64_t until = t.ClockNs();
  poll(nullptr, 0, 500);
  const uint64_t passed = __builtin_ia32_rdtsc() - begin;
  CHECK(t.ClockNs() == until);
  const uint64_t resumed = __builtin_ia32_rdtsc();  // before it: what Resume takes is the guest's
  REQUIRE(pause->Resume().ok());
  const uint64_t after = read();
  REQUIRE(after > before);
  return {after - before, passed, (begin - start) + (__builtin_ia32_rdtsc() - resumed)};
}

TEST_CASE("the TSC goes on after a pause where it stood, if RDTSC obeys its offset") {
  const absl::StatusOr<HostTraits> host = ProbeHost(KvmOrSkip());
  REQUIRE(host.ok());
  for (const std::optional<bool> told : {std::optional<bool>(), std::optional(true)}) {
    VmConfig config{.x2apic = true};
    if (told) config.traits = HostTraits{.rdtsc_obeys_offset = *told};
    const OverPause tsc = TscOverPause(config);
    if (host->rdtsc_obeys_offset) {
      CHECK(tsc.guest < tsc.running + tsc.host / 2);
    } else {
      CHECK(tsc.guest >= tsc.host);  // nothing can be done about it here
    }
  }
}

TEST_CASE("the TSC shows a pause where nothing is known of it") {
  const OverPause tsc = TscOverPause({.x2apic = true, .traits = HostTraits{}});
  CHECK(tsc.guest >= tsc.host);
}

TEST_CASE("a pause names the CPU whose thread is with its caller, and lets the others go") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
  REQUIRE(t.vm().SetStart({.mode = StartState::Mode::kReal, .rip = TestVm::kBspCode}).ok());
  REQUIRE(std::holds_alternative<PortExit>(t.vm().vcpu(0).Run()));
  const absl::StatusOr<Pause> pause = t.vm().Pause(20'000'000);
  CHECK(pause.status().code() == absl::StatusCode::kDeadlineExceeded);
  CHECK(pause.status().message().find("running, in its caller's hands") != std::string::npos);
}

// From outside and from CPUs at once: calls of each kind, stops, and CPUs that come and go.
TEST_CASE("pauses while CPUs INIT and start one another let all get through", "[pause-all]") {
  TestVm t(3);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(cross_init_cpu0));
  t.Load(0x8000, MUSTER_SNIPPET(cross_init_ap1));
  t.Load(0x9000, MUSTER_SNIPPET(cross_init_ap2));
  t.Start();
  int failed = 0, pauses = 0;
  while (t.CountWrites(0x10) == 0) {
    absl::StatusOr<Pause> pause = t.vm().Pause(kTenSeconds);
    if (!pause.ok() || pause->standing() != rendezvous::CpuSet{0, 1, 2}) ++failed;
    if (pause.ok() && !pause->Resume().ok()) ++failed;
    ++pauses;
    poll(nullptr, 0, 1);
  }
  CHECK(failed == 0);
  CHECK(pauses > 0);
  t.Await("all CPUs at rest", [&] { return t.vm().CanNeverRunAgain(); });
  CHECK(t.Look(1).counters.startups == 300);
  CHECK(t.Look(2).counters.startups == 300);
  CHECK(t.vm().meeting_counters().refused == 0);
}

TEST_CASE("a CPU that triple-faults while others are called is taken out", "[die-mid-call]") {
  for (int i = 0; i < 20; ++i) {
    TestVm t(4);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(triple_fault));
    t.StartAt({.mode = StartState::Mode::kProtected32, .rip = TestVm::kBspCode});
    int failed = 0;
    for (bool dead = false; !dead;) {
      const absl::StatusOr<Pause> pause = t.vm().Pause(kTenSeconds);
      if (!pause.ok()) ++failed;
      dead = pause.ok() && !pause->standing().Contains(0);
    }
    CHECK(failed == 0);
    CHECK(t.vm().meeting_counters().refused == 0);
  }
}

// Whether the wake comes is left to chance; that none is missing when all stand is not.
TEST_CASE("a pause finds no CPU asleep that has been started", "[lost-wake]") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_says_hello));
  t.Start();
  for (size_t i = 1; i <= 20; ++i) {
    REQUIRE(t.vm().SendMessage(kInitOfCpu1).ok());
    t.AwaitAsleep(1);
    REQUIRE(t.vm().SendMessage(kSipiOfCpu1).ok());
    REQUIRE(t.vm().Pause(kTenSeconds).ok());
    t.CheckNoDefect();
    t.AwaitWrites(0x20, i);
  }
}

TEST_CASE("a pause finds no CPU asleep that has mail", "[lost-wake]") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_takes_interrupts));
  t.Load(0x2000, MUSTER_SNIPPET(handler_40));
  t.SetIvt(0x40, 0x2000);
  t.Start();
  REQUIRE(t.vm().SendMessage(kSipiOfCpu1).ok());
  t.AwaitWrites(0x20, 1);
  for (int i = 0; i < 20; ++i) {
    t.AwaitAsleep(1);
    REQUIRE(t.vm().SendMessage({.destination = 1, .x2apic = true, .vector = 0x40}).ok());
    REQUIRE(t.vm().Pause(kTenSeconds).ok());
    t.CheckNoDefect();
  }
}

TEST_CASE("who pauses the guest may send it an INIT, and nobody waits for the pause") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(spin));
  t.Start();
  REQUIRE(t.vm().SendMessage(kSipiOfCpu1).ok());
  t.Await("CPU 1", [&] { return t.Look(1).counters.entries > 0; });
  auto pause = t.vm().Pause(kTenSeconds);
  REQUIRE(pause.ok());
  CHECK(t.vm().SendMessage(kInitOfCpu1).ok());
  CHECK(pause->Inspect(1).value().state == RunState::kWaitForSipi);
  CHECK(t.vm().SendMessage(kSipiOfCpu1).ok());
  CHECK(pause->Inspect(1).value().state == RunState::kRunning);
  CHECK(t.vm().SendMsi({.address = 0xfee01000, .data = 0x4500}).ok());  // INIT, as an MSI
  CHECK(pause->Inspect(1).value().state == RunState::kWaitForSipi);
  REQUIRE(pause->Resume().ok());
  t.AwaitAsleep(1);
}

TEST_CASE("the thread of a CPU that stands may send, and begins it anew after the pause") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
  Vcpu& cpu = t.vm().vcpu(0);
  REQUIRE(cpu.Hold().ok());  // asleep, and no thread inside Run
  auto pause = t.vm().Pause(kTenSeconds);
  REQUIRE(pause.ok());
  REQUIRE(pause->standing() == rendezvous::CpuSet{0, 1});
  CHECK(cpu.SendMessage(kSipiOfCpu1).ok());
  CHECK(pause->Inspect(1).value().state == RunState::kRunning);
  CHECK(cpu.SendMessage({.destination = 1, .x2apic = true, .vector = 0x40}).ok());
  CHECK(cpu.SetLine(3, true).ok());
  CHECK(pause->Inspect(0).value().held);

  std::atomic<bool> began{false};
  std::thread thread([&] {
    CHECK(cpu.StartAgain({.mode = StartState::Mode::kReal, .rip = TestVm::kBspCode}).ok());
    began = true;
  });
  poll(nullptr, 0, 20);  // it may not have come yet: then this shows less, and nothing wrong
  CHECK_FALSE(began);
  CHECK(t.vm().IoApicState().asserted(3));
  CHECK(pause->Resume().ok());
  thread.join();
  CHECK_FALSE(cpu.Inspect().value().held);
}

TEST_CASE("who waits for the end of a pause, to hold a CPU or begin it anew, is told of") {
  struct Last : rendezvous::Observer {
    void Waits(const rendezvous::Wait& wait) override {
      const std::lock_guard lock(mutex);
      last = wait;
      if (pause != nullptr) resumed = pause->Resume();
    }
    std::mutex mutex;
    rendezvous::Wait last;
    Pause* pause = nullptr;
    absl::Status resumed;
  } observer;
  TestVm t(1, {.x2apic = true, .observer = &observer, .report_waits_after_ns = 1'000'000});
  Vcpu& cpu = t.vm().vcpu(0);
  REQUIRE(cpu.Hold().ok());  // asleep, and no thread inside Run
  const StartState start{.mode = StartState::Mode::kReal, .rip = TestVm::kBspCode};
  for (const std::string name : {"hold", "start again"}) {
    auto pause = t.vm().Pause(kTenSeconds);
    REQUIRE(pause.ok());
    {
      const std::lock_guard lock(observer.mutex);
      observer.pause = &*pause;
    }
    absl::Status status;
    std::thread thread([&] { status = name == "hold" ? cpu.Hold() : cpu.StartAgain(start); });
    rendezvous::Wait wait;
    t.Await("the wait to be told", [&] {
      const std::lock_guard lock(observer.mutex);
      wait = observer.last;
      if (wait.name == name) observer.pause = nullptr;
      return wait.name == name;
    });
    CHECK(absl::IsFailedPrecondition(observer.resumed));  // from in there
    CHECK(pause->lasts());
    CHECK(pause->Resume().ok());
    CHECK_FALSE(pause->lasts());
    thread.join();
    CHECK(status.ok());
    CHECK(wait.initiator == 0);
    CHECK_FALSE(wait.has_turn);
    CHECK(wait.behind == "pause");
    CHECK(wait.behind_initiator == -1);
    CHECK(wait.behind_ns >= wait.waited_ns);
  }
}

}  // namespace
}  // namespace muster::vcpu
