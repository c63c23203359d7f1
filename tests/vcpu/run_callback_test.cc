// The caller's own code, called back by the library, that calls into it or takes its time.

#include <atomic>
#include <cstring>
#include <functional>
#include <sys/mman.h>
#include <thread>
#include <utility>

#include <catch2/catch.hpp>

#include <muster/apic/ioapic_regs.h>
#include <muster/apic/message.h>
#include <muster/rendezvous/observer.h>
#include <muster/vcpu/kvm/memory_slots.h>
#include <muster/vcpu/run/vcpu.h>
#include <muster/vcpu/run/vm.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

constexpr uint64_t kBsp = TestVm::kBspCode;
constexpr uint64_t kAp = TestVm::kApCode;

// A Vm whose clock, threads and loop are the test's.
class OwnVm {
 public:
  OwnVm(const VmConfig& config, Clock& clock) {
    auto made = Vm::Create(KvmOrSkip(), config, clock);
    REQUIRE(made.ok());
    vm_ = *std::move(made);
    void* ram =
        mmap(nullptr, TestVm::kRamSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(ram != MAP_FAILED);
    ram_ = static_cast<uint8_t*>(ram);
    REQUIRE(vm_->memory().Add(0, {ram_, TestVm::kRamSize}).ok());
    REQUIRE(vm_->SetStart({.mode = StartState::Mode::kReal, .rip = kBsp}).ok());
  }
  ~OwnVm() {
    vm_.reset();
    munmap(ram_, TestVm::kRamSize);
  }
  OwnVm(const OwnVm&) = delete;
  OwnVm& operator=(const OwnVm&) = delete;

  Vm& vm() { return *vm_; }
  void Load(uint64_t gpa, Snippet code) {
    std::memcpy(ram_ + gpa, code.begin, static_cast<size_t>(code.end - code.begin));
  }
  void SetIvt(uint8_t vector, uint16_t offset) {
    std::memcpy(ram_ + 4 * vector, &offset, sizeof(offset));
  }

 private:
  std::unique_ptr<Vm> vm_;
  uint8_t* ram_ = nullptr;
};

// Posts one interrupt each time that the vCPU's thread reads the time, which it does for each event
// that it records: whenever it has taken one in, there is another.
class NaggingClock : public Clock {
 public:
  uint64_t NowNs() override {
    const bool owner = std::this_thread::get_id() == owner_;
    if (owner && vm_ != nullptr && !inside_) {
      inside_ = true;
      ++posts_;
      (void)vm_->SendMessage(message_);
      inside_ = false;
    }
    return sync::Now();
  }
  void Arm(int, uint64_t) override {}
  void Begin(Vm& vm, apic::Message message) {
    message_ = message;
    vm_ = &vm;
    (void)vm.SendMessage(message);
  }
  void End() { vm_ = nullptr; }
  uint64_t posts() const { return posts_; }

 private:
  const std::thread::id owner_ = std::this_thread::get_id();
  apic::Message message_;
  Vm* vm_ = nullptr;
  bool inside_ = false;
  uint64_t posts_ = 0;
};

TEST_CASE("interrupts that never cease do not keep the guest from running", "[starve]") {
  for (const auto mode : {apic::DeliveryMode::kNmi, apic::DeliveryMode::kFixed}) {
    NaggingClock clock;
    OwnVm own({.cpus = 1, .x2apic = true, .trace_events = 16}, clock);
    own.Load(kBsp, MUSTER_SNIPPET(says_for_ever));
    own.Load(0x2000, MUSTER_SNIPPET(nmi_handler_says));
    own.SetIvt(2, 0x2000);
    Vcpu& vcpu = own.vm().vcpu(0);
    REQUIRE(std::holds_alternative<PortExit>(vcpu.Run()));
    clock.Begin(own.vm(),
                {.destination = 0, .x2apic = true, .delivery_mode = mode, .vector = 0x40});
    // Nothing but the rule ends a Run: without it the first does not return.
    for (int exits = 0; exits < 20; ++exits) {
      const uint64_t before = clock.posts();
      REQUIRE(std::holds_alternative<PortExit>(vcpu.Run()));
      CHECK(clock.posts() - before < 1'000);
    }
    clock.End();
  }
}

// While told to, keeps one thread in NowNs.
class StallingClock : public Clock {
 public:
  uint64_t NowNs() override {
    if (who_.load() == std::this_thread::get_id()) {
      stalled_ = true;
      stalled_.notify_all();
      who_.wait(std::this_thread::get_id());
    }
    return sync::Now();
  }
  void Arm(int, uint64_t) override {}
  // The calling thread, from its next look at the time on.
  void Stall() { who_ = std::this_thread::get_id(); }
  void AwaitStalled() { stalled_.wait(false); }
  void GoOn() {
    who_ = std::thread::id();
    who_.notify_all();
  }

 private:
  std::atomic<std::thread::id> who_{};
  std::atomic<bool> stalled_{false};
};

class Reports : public rendezvous::Observer {
 public:
  void Waits(const rendezvous::Wait&) override {
    if (calls_++ == 0 && stops_ != nullptr) stops_->Stop();
    calls_.notify_all();
  }
  void AwaitOne() { calls_.wait(0); }
  void StopAtOnce(Vm& vm) { stops_ = &vm; }

 private:
  std::atomic<int> calls_{0};
  Vm* stops_ = nullptr;
};

constexpr uint64_t kReportAfterNs = 50'000'000;

// Runs until there is something else than a port to serve.
Exit LastOf(Vcpu& vcpu) {
  Exit exit;
  do {
    exit = vcpu.Run();
  } while (std::holds_alternative<PortExit>(exit));
  return exit;
}

TEST_CASE("Stop frees who waits for a CPU whose caller is in a call other than Run",
          "[die-mid-call]") {
  StallingClock clock;
  Reports reports;
  OwnVm own({.cpus = 2,
             .x2apic = true,
             .trace_events = 16,
             .observer = &reports,
             .report_waits_after_ns = kReportAfterNs},
            clock);
  own.Load(kBsp, MUSTER_SNIPPET(init_again_and_again));
  own.Load(kAp, MUSTER_SNIPPET(says_for_ever));
  std::thread second([&] {
    CHECK(std::holds_alternative<PortExit>(own.vm().vcpu(1).Run()));
    clock.Stall();
    (void)own.vm().vcpu(1).SendMessage({.destination = 1, .x2apic = true, .vector = 0x40});
    // It does not call Run again.
  });
  Exit last;
  std::thread first([&] { last = LastOf(own.vm().vcpu(0)); });
  clock.AwaitStalled();
  reports.AwaitOne();  // CPU 0 waits for CPU 1
  own.vm().Stop();
  clock.GoOn();
  second.join();
  first.join();  // a hang ends in this test's timeout
  CHECK(std::holds_alternative<StoppedExit>(last));
}

TEST_CASE("an observer may stop the machine whose wait it is told of", "[die-mid-call]") {
  StallingClock clock;
  Reports reports;
  OwnVm own(
      {.cpus = 2, .x2apic = true, .observer = &reports, .report_waits_after_ns = kReportAfterNs},
      clock);
  reports.StopAtOnce(own.vm());
  own.Load(kBsp, MUSTER_SNIPPET(init_again_and_again));
  own.Load(kAp, MUSTER_SNIPPET(says_for_ever));
  std::thread second([&] { (void)own.vm().vcpu(1).Run(); });  // one exit, and it is gone
  Exit last;
  std::thread first([&] { last = LastOf(own.vm().vcpu(0)); });
  second.join();
  first.join();
  reports.AwaitOne();
  CHECK(std::holds_alternative<StoppedExit>(last));
}

// Knows when CPU 0 stands, from a pause that waits for others.
class StandsWatch : public rendezvous::Observer {
 public:
  void Waits(const rendezvous::Wait& wait) override {
    if (!wait.standing.Contains(0)) return;
    stands_ = true;
    stands_.notify_all();
  }
  void AwaitStanding() { stands_.wait(false); }

 private:
  std::atomic<bool> stands_{false};
};

TEST_CASE("a callback does not wait for a CPU that stands in a pause, which waits for the callback",
          "[pause-all]") {
  struct AsksCpu0 : Devices {
    Then Port(Vcpu&, const PortExit&) override {
      if (std::exchange(asked, true)) return Then::kGoOn;
      watch.AwaitStanding();
      hold = vm->vcpu(0).Hold();
      start_again = vm->vcpu(0).StartAgain({.mode = StartState::Mode::kReal, .rip = kBsp});
      return Then::kGoOn;
    }
    StandsWatch watch;
    Vm* vm = nullptr;
    bool asked = false;
    absl::Status hold, start_again;
  } devices;
  TestVm t(2, {.x2apic = true, .observer = &devices.watch, .report_waits_after_ns = 1'000'000});
  devices.vm = &t.vm();
  t.Load(kAp, MUSTER_SNIPPET(says_for_ever));
  REQUIRE(t.vm().vcpu(0).Hold().ok());  // stands with no thread inside Run
  REQUIRE(t.vm()
              .SendMessage({.destination = 1,
                            .x2apic = true,
                            .delivery_mode = apic::DeliveryMode::kStartup,
                            .vector = kAp >> 12})
              .ok());
  std::thread second(
      [&] { CHECK(std::holds_alternative<StoppedExit>(t.vm().vcpu(1).Run(devices))); });
  t.Await("CPU 1", [&] { return t.Word(0x500) != 0; });
  {
    // Waits for the callback, which would wait for its end.
    const absl::StatusOr<Pause> pause = t.vm().Pause(10'000'000'000);
    CHECK(pause.ok());
  }
  CHECK(t.vm().vcpu(0).Hold().ok());  // it stands no longer
  t.vm().Stop();
  second.join();
  for (const absl::Status& status : {devices.hold, devices.start_again}) {
    CHECK(absl::IsFailedPrecondition(status));
    CHECK(status.message() ==
          "vCPU 0 stands still, and may have to until this callback of vCPU 1 ends");
  }
}

// Time stands still: what a vCPU wants to look at again some time later never comes.
class FrozenClock : public Clock {
 public:
  uint64_t NowNs() override { return 1'000'000'000; }
  void Arm(int, uint64_t) override {}
};

TEST_CASE("expiries of the guest's timer do not keep it in single steps") {
  FrozenClock clock;
  // Windows are looked for by stepping, whatever this KVM does.
  OwnVm own({.cpus = 1, .x2apic = true, .traits = HostTraits{}}, clock);
  own.Load(kBsp, MUSTER_SNIPPET(says_for_ever));
  Vcpu& vcpu = own.vm().vcpu(0);
  REQUIRE(std::holds_alternative<PortExit>(vcpu.Run()));
  (void)own.vm().SendMessage({.destination = 0, .x2apic = true, .vector = 0x40});
  for (int i = 0; i < 300; ++i) {
    own.vm().TimerExpired(0);
    REQUIRE(std::holds_alternative<PortExit>(vcpu.Run()));
  }
  constexpr uint64_t kBudget = 200;
  CHECK(vcpu.Inspect().value().counters.debug_exits <= kBudget);
}

TEST_CASE("the clock may call back in wherever an event wants its time") {
  TestVm t(1, {.max_cpus = 2, .x2apic = true, .trace_events = 16});
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(store_robot));
  t.StartAt({.mode = StartState::Mode::kProtected32, .rip = TestVm::kBspCode});
  constexpr unsigned kPin = 5;
  t.Store(apic::kDefaultIoApicBase + apic::kIoRegSel, 0x10 + 2 * kPin);
  t.Store(apic::kDefaultIoApicBase + apic::kIoWin, 0x40);  // unmasked, an edge, to CPU 0

  // Each event is this thread's, and a lock that is held around its time is one that these want.
  bool called = false;
  const auto at_next_look = [&](std::function<void()> call) {
    called = false;
    t.clock().AtNextLook(std::this_thread::get_id(), [&, call] {
      called = true;
      call();
    });
  };
  at_next_look([&] { CHECK(t.vm().IoApicState().pins() == 24); });
  CHECK(t.vm().SetLine(kPin, true).ok());
  CHECK(called);
  at_next_look([&] { CHECK(!t.vm().OutsideEvents().empty()); });
  CHECK(t.vm().SendMsi({.address = 0xfee00000, .data = 0x41}).ok());
  CHECK(called);

  REQUIRE(t.vm().AddVcpu(1).ok());
  REQUIRE(t.vm().RemoveVcpu(1).ok());
  at_next_look([&] { CHECK(absl::IsAlreadyExists(t.vm().AddVcpu(0))); });
  CHECK(t.vm().AddVcpu(1).ok());  // for the second time: that it comes back is an event
  CHECK(called);

  // A level message that its sender has found a taker for, who goes before it arrives: it is thrown
  // away when that one comes back, and the I/O APIC is told of it.
  at_next_look([&] { CHECK(t.vm().RemoveVcpu(1).ok()); });
  const apic::Message level{
      .destination = 1, .x2apic = true, .trigger_mode = apic::TriggerMode::kLevel, .vector = 0x50};
  CHECK(t.vm().SendMessage(level).ok());
  CHECK(called);
  called = false;  // by a look after AddVcpu's own, which is its first
  t.clock().AtNextLook(std::this_thread::get_id(), [&] { at_next_look([] {}); });
  CHECK(t.vm().AddVcpu(1).ok());
  CHECK(!called);
  t.clock().AtNextLook({}, {});
  CHECK(t.vm().vcpu(1).Inspect().value().counters.mail_discarded == 1);
}

}  // namespace
}  // namespace muster::vcpu
