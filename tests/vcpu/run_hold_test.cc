// A vCPU that is held between two instructions, and what reaches it there.

#include <cstring>
#include <future>

#include <catch2/catch.hpp>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

constexpr uint64_t kTenSeconds = 10'000'000'000;
constexpr uint64_t kHandler = 0x2000;
constexpr uint8_t kVector = 0x40;

// Real mode, interrupts on.
const uint8_t kTwoPorts[] = {0xfb, 0xb0, 1,               // sti; mov al, 1
                             0xe6, 0x10, 0xe6, 0x11,      // out 0x10, al; out 0x11, al
                             0xeb, 0xfe};                 // jmp .
const uint8_t kSaysTaken[] = {0xe6, 0x20, 0xeb, 0xfe};    // out 0x20, al; jmp .
const uint8_t kSaysRestart[] = {0xe6, 0x12, 0xeb, 0xfe};  // out 0x12, al; jmp .

// vCPU 0 has made the access to port 0x10, is held there, and its thread is inside Run.
struct HeldCpu {
  HeldCpu() : t(2) {
    const uint8_t jump[] = {0xea, 0x00, 0x11, 0x00, 0x00};  // jmp far 0000:1100
    std::memcpy(rom + 0xff0, jump, sizeof(jump));
    REQUIRE(t.vm().memory().Add(0xfffff000, {rom, sizeof(rom)}, /*read_only=*/true).ok());
    std::memcpy(t.ram() + TestVm::kBspCode, kTwoPorts, sizeof(kTwoPorts));
    std::memcpy(t.ram() + 0x1100, kSaysRestart, sizeof(kSaysRestart));
    std::memcpy(t.ram() + kHandler, kSaysTaken, sizeof(kSaysTaken));
    t.SetIvt(kVector, kHandler);
    REQUIRE(t.vm().SetStart({.mode = StartState::Mode::kReal, .rip = TestVm::kBspCode}).ok());
    REQUIRE(std::get<PortExit>(cpu().Run()).port == 0x10);
    REQUIRE(cpu().Hold().ok());
    run = std::async(std::launch::async, [this] { return cpu().Run(); });
    other = std::async(std::launch::async, [this] { return t.vm().vcpu(1).Run(); });
    // Asleep, and the access to the port wholly done: it can be acted for.
    t.Await("the hold", [this] {
      const Inspection i = t.Look(0);
      return i.held && i.counters.parks > 0;
    });
  }
  ~HeldCpu() {
    t.vm().Stop();
    if (run.valid()) run.wait();
    other.wait();
  }
  Vcpu& cpu() { return t.vm().vcpu(0); }
  int NextPort() { return std::get<PortExit>(run.get()).port; }

  alignas(4096) static inline uint8_t rom[4096];
  TestVm t;
  std::future<Exit> run, other;
};

TEST_CASE("a held CPU executes nothing, stands in a pause, and goes on when it is let go") {
  HeldCpu held;
  const uint64_t entries = held.t.Look(0).counters.entries;
  absl::StatusOr<Pause> pause = held.t.vm().Pause(kTenSeconds);
  REQUIRE(pause.ok());
  CHECK(pause->standing() == rendezvous::CpuSet{0, 1});
  REQUIRE(pause->Resume().ok());
  const Inspection i = held.t.Look(0);
  CHECK(i.held);
  CHECK(i.state == RunState::kRunning);
  CHECK(i.counters.entries == entries);
  CHECK_FALSE(held.t.vm().CanNeverRunAgain());
  CHECK(held.t.vm().meeting_counters().lost_wakes == 0);
  held.cpu().LetGo();
  CHECK(held.NextPort() == 0x11);
  CHECK_FALSE(held.cpu().Inspect().value().held);
}

TEST_CASE("an interrupt that came while its CPU was held comes before the next instruction") {
  HeldCpu held;
  const apic::Message message{.x2apic = true, .vector = kVector};
  REQUIRE(held.t.vm().SendMessage(message).ok());
  held.t.Await("the message", [&] { return !held.t.Look(0).irr.empty(); });
  CHECK(held.t.Look(0).held);
  held.cpu().LetGo();
  CHECK(held.NextPort() == 0x20);
}

TEST_CASE("a held CPU takes in any amount of mail") {
  HeldCpu held;
  const apic::Message message{.x2apic = true, .vector = kVector};
  for (uint64_t i = 0; i < 200; ++i) {
    const uint64_t before = held.t.Look(0).counters.mail_accepted;
    const uint64_t merged = held.t.Look(0).counters.mail_merged;
    REQUIRE(held.t.vm().SendMessage(message).ok());
    held.t.Await("the mail", [&] {
      const Counters now = held.t.Look(0).counters;
      return now.mail_accepted + now.mail_merged > before + merged;
    });
  }
  CHECK(held.t.Look(0).counters.mail_deferrals == 0);
  held.cpu().LetGo();
  CHECK(held.NextPort() == 0x20);
}

TEST_CASE("INIT ends a hold, and what lets it go later does no harm to the next") {
  HeldCpu held;
  const apic::Message init{.x2apic = true, .delivery_mode = apic::DeliveryMode::kInit};
  REQUIRE(held.t.vm().SendMessage(init).ok());
  CHECK(held.NextPort() == 0x12);
  held.cpu().LetGo();  // of the hold that is no more
  REQUIRE(held.cpu().Hold().ok());
  held.run = std::async(std::launch::async, [&] { return held.cpu().Run(); });
  held.t.Await("the second hold", [&] {
    const Inspection i = held.t.Look(0);
    return i.held && i.counters.parks > 1;
  });
}

TEST_CASE("a held CPU is stopped like any other") {
  HeldCpu held;
  held.t.vm().Stop();
  CHECK(std::holds_alternative<StoppedExit>(held.run.get()));
}

}  // namespace
}  // namespace muster::vcpu
