// The 8259's wire and ExtINT messages, on real KVM: when a vCPU acknowledges, and when it does not.

#include <atomic>
#include <functional>

#include <catch2/catch.hpp>

#include <muster/apic/ioapic_regs.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

constexpr unsigned kPin = 5;
constexpr uint32_t kExtInt = 7u << 8;

// One request and its vector; acknowledged without it, the vector is 0x41.
class FakePic : public ExtIntSource {
 public:
  bool Asserted() const override {
    if (falls_after_look) return asserted.exchange(false);
    return asserted;
  }
  uint8_t Acknowledge(int cpu) override {
    last_cpu = cpu;
    ++acknowledged;
    if (also) also(cpu);
    return asserted.exchange(false) ? vector.load() : uint8_t{0x41};
  }

  mutable std::atomic<bool> asserted{false};
  std::atomic<bool> falls_after_look{false};
  std::atomic<uint8_t> vector{0x40};
  std::atomic<uint64_t> acknowledged{0};
  std::atomic<int> last_cpu{-1};
  std::function<void(int)> also;
};

// CPU 0 runs `bsp` in real mode, LINT0 as firmware leaves it: an unmasked ExtINT. The handlers of
// 0x40 and 0x41 write their vector to port 0x30 and make no EOI.
class WireBoard {
 public:
  explicit WireBoard(Snippet bsp, int cpus = 1) : t(cpus, {.x2apic = true, .extint = &pic}) {
    t.Load(TestVm::kBspCode, bsp);
    t.Load(0x2000, MUSTER_SNIPPET(extint_handler_40));
    t.Load(0x3000, MUSTER_SNIPPET(extint_handler_41));
    t.SetIvt(0x40, 0x2000);
    t.SetIvt(0x41, 0x3000);
  }
  void Start() {
    t.Start();
    t.AwaitWrites(0x10, 1);
  }
  void Raise() {
    pic.asserted = true;
    t.vm().ExtIntRaised();
  }
  // The guest is back in HLT.
  void AwaitRest(int cpu = 0) {
    t.Await("HLT", [&] {
      const Inspection seen = t.Look(cpu);
      return seen.state == RunState::kHalted && !seen.deliverable;
    });
  }

  FakePic pic;
  TestVm t;
};

// CPU 0 makes the stores that a test asks for; CPU 1 runs `ap`, LINT0 masked.
class PinBoard {
 public:
  explicit PinBoard(Snippet ap, bool with_pic = true)
      : t(2, {.x2apic = true, .extint = with_pic ? &pic : nullptr}) {
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(store_robot));
    t.Load(TestVm::kApCode, ap);
    t.Load(0x2000, MUSTER_SNIPPET(extint_handler_40));
    t.Load(0x3000, MUSTER_SNIPPET(extint_handler_41));
    t.SetIvt(0x40, 0x2000);
    t.SetIvt(0x41, 0x3000);
    t.StartAt({.mode = StartState::Mode::kProtected32, .rip = TestVm::kBspCode});
    Send(apic::DeliveryMode::kInit);
    Send(apic::DeliveryMode::kStartup);
    t.AwaitWrites(0x20, 1);
    WriteRegister(0x10 + 2 * kPin + 1, 1u << 24);
    WriteRegister(0x10 + 2 * kPin, kExtInt);
  }
  void Send(apic::DeliveryMode mode) {
    REQUIRE(t.vm()
                .SendMessage({.destination = 1, .x2apic = true, .delivery_mode = mode, .vector = 8})
                .ok());
  }
  void WriteRegister(uint8_t reg, uint32_t value) {
    t.Store(apic::kDefaultIoApicBase + apic::kIoRegSel, reg);
    t.Store(apic::kDefaultIoApicBase + apic::kIoWin, value);
  }
  void Edge() {
    REQUIRE(t.vm().SetLine(kPin, true).ok());
    REQUIRE(t.vm().SetLine(kPin, false).ok());
  }

  FakePic pic;
  TestVm t;
};

TEST_CASE("the 8259's interrupt passes TPR, leaves IRR and ISR alone and needs no EOI",
          "[extint]") {
  WireBoard board(MUSTER_SNIPPET(extint_above_priority));
  board.Start();
  for (size_t i = 1; i <= 3; ++i) {
    board.Raise();
    board.t.AwaitWrites(0x30, i);
    const Inspection seen = board.t.Look(0);
    CHECK((seen.irr.empty() && seen.isr.empty()));
    CHECK(seen.tpr == 0xff);
    CHECK(seen.counters.extints_injected == i);
    CHECK(seen.counters.injected == 0);
  }
  CHECK(board.pic.acknowledged == 3);
}

TEST_CASE("the 8259's wire wakes a halted CPU, every time", "[extint]") {
  WireBoard board(MUSTER_SNIPPET(extint_in_hlt));
  board.Start();
  for (size_t i = 1; i <= 200; ++i) {
    board.Raise();
    board.t.AwaitWrites(0x30, i);
  }
  board.AwaitRest();
  CHECK(board.t.Look(0).counters.extints_injected == 200);
  CHECK(board.t.vm().CanNeverRunAgain());
}

TEST_CASE("a wire that has fallen before the CPU could take it interrupts nobody", "[extint]") {
  WireBoard board(MUSTER_SNIPPET(extint_interrupts_off));
  board.Start();
  board.Raise();
  board.t.Await("the look", [&] { return board.t.Look(0).extint_pending; });
  board.pic.asserted = false;
  board.t.SetInput(0x50, 1);
  board.t.AwaitWrites(0x10, 2);
  board.AwaitRest();
  CHECK(board.t.CountWrites(0x30) == 0);
  CHECK(board.pic.acknowledged == 0);
  CHECK_FALSE(board.t.Look(0).extint_pending);
}

TEST_CASE("a wire that ends a HLT and falls is acknowledged, and gives a spurious vector",
          "[extint]") {
  WireBoard board(MUSTER_SNIPPET(extint_in_hlt));
  board.Start();
  board.AwaitRest();
  board.pic.falls_after_look = true;
  board.Raise();
  board.t.AwaitWrites(0x30, 1);
  CHECK(board.t.Writes(0x30)[0].value == 0x41);
  CHECK(board.pic.acknowledged == 1);
}

TEST_CASE("the vector is the one that the 8259 gives when it is acknowledged", "[extint]") {
  WireBoard board(MUSTER_SNIPPET(extint_interrupts_off));
  board.pic.vector = 0x99;
  board.Start();
  board.Raise();
  board.t.Await("the look", [&] { return board.t.Look(0).extint_pending; });
  CHECK(board.pic.acknowledged == 0);
  board.pic.vector = 0x41;
  board.t.SetInput(0x50, 1);
  board.t.AwaitWrites(0x30, 1);
  CHECK(board.t.Writes(0x30)[0].value == 0x41);
}

TEST_CASE("a masked LINT0 keeps the wire off, and unmasking it does not miss a wire that is high",
          "[extint]") {
  WireBoard board(MUSTER_SNIPPET(extint_unmasks));
  board.Start();
  board.t.Await("the mask", [&] { return !board.t.Look(0).extint_accepted; });
  board.Raise();
  CHECK_FALSE(board.t.Look(0).extint_pending);
  CHECK(board.pic.acknowledged == 0);
  board.t.SetInput(0x50, 1);
  board.t.AwaitWrites(0x30, 1);
}

TEST_CASE("a wire that rises while LINT0 is being unmasked is not lost", "[extint]") {
  WireBoard board(MUSTER_SNIPPET(extint_masks_and_unmasks));
  board.t.Load(0x2000, MUSTER_SNIPPET(extint_quiet_handler));
  board.Start();
  for (uint32_t i = 1; i <= 300; ++i) {
    board.Raise();
    board.t.Await("its handler", [&] { return board.t.Word(0x600) >= i; });
  }
  CHECK(board.t.Word(0x600) == 300);
}

TEST_CASE("the wire reaches a CPU whose APIC is disabled", "[extint]") {
  WireBoard board(MUSTER_SNIPPET(extint_apic_off));
  board.Start();
  board.Raise();
  board.t.AwaitWrites(0x30, 1);
  CHECK(board.pic.acknowledged == 1);
}

TEST_CASE("LINT0 as a fixed interrupt takes the wire's rise, and acknowledges nothing",
          "[extint]") {
  WireBoard board(MUSTER_SNIPPET(lint0_fixed));
  board.Start();
  board.Raise();
  board.t.AwaitWrites(0x30, 1);
  CHECK(board.t.Writes(0x30)[0].value == 0x41);
  const Inspection seen = board.t.Look(0);
  CHECK(seen.counters.injected == 1);
  CHECK(seen.isr == std::vector<uint8_t>{0x41});  // the handler makes no EOI
  CHECK(board.pic.acknowledged == 0);
}

TEST_CASE("a wire whose rise LINT0 took as a fixed interrupt is seen when LINT0 becomes an ExtINT",
          "[extint]") {
  WireBoard board(MUSTER_SNIPPET(lint0_fixed_then_extint));
  board.Start();
  board.Raise();
  board.t.Await("the fixed interrupt",
                [&] { return board.t.Look(0).irr == std::vector<uint8_t>{0x41}; });
  board.t.SetInput(0x50, 1);
  board.t.AwaitWrites(0x30, 1);
  CHECK(board.t.Writes(0x30)[0].value == 0x40);
  CHECK(board.pic.acknowledged == 1);
}

TEST_CASE("a rise wakes nobody whom the wire does not reach", "[extint]") {
  WireBoard board(MUSTER_SNIPPET(extint_in_hlt), 3);
  board.Start();
  const uint64_t before[] = {board.t.AwaitAsleep(1).counters.parks,
                             board.t.AwaitAsleep(2).counters.parks};
  for (size_t i = 1; i <= 20; ++i) {
    board.Raise();
    board.t.AwaitWrites(0x30, i);
  }
  CHECK(board.t.Look(1).counters.parks == before[0]);
  CHECK(board.t.Look(2).counters.parks == before[1]);
}

TEST_CASE("a pin in ExtINT mode has the CPU that its entry names acknowledge", "[extint]") {
  PinBoard board(MUSTER_SNIPPET(ap_takes_interrupts));
  for (size_t i = 1; i <= 20; ++i) {
    board.pic.asserted = true;
    board.Edge();
    board.t.AwaitWrites(0x30, i);
    CHECK(board.t.Writes(0x30)[i - 1] == TestVm::Write{1, 0x30, 0x40});
  }
  CHECK(board.pic.last_cpu == 1);
  // A message is a message, whatever the wire is by now.
  board.Edge();
  board.t.AwaitWrites(0x30, 21);
  CHECK(board.t.Writes(0x30)[20] == TestVm::Write{1, 0x30, 0x41});
  CHECK(board.t.Look(1).counters.extints_injected == 21);
  CHECK(board.t.Look(1).isr.empty());
}

TEST_CASE(
    "an ExtINT message is discarded and counted where the APIC is disabled, or there is no "
    "8259",
    "[extint]") {
  const bool with_pic = GENERATE(true, false);
  PinBoard board(with_pic ? MUSTER_SNIPPET(ap_stays_disabled) : MUSTER_SNIPPET(ap_takes_interrupts),
                 with_pic);
  board.Edge();
  board.t.Await("the discard", [&] { return board.t.Look(1).counters.extints_discarded == 1; });
  CHECK(board.pic.acknowledged == 0);
  CHECK(board.t.CountWrites(0x30) == 0);
}

TEST_CASE("INIT ends an ExtINT message that waits", "[extint]") {
  PinBoard board(MUSTER_SNIPPET(ap_interrupts_off));
  board.Edge();
  board.t.Await("the message", [&] { return board.t.Look(1).extint_pending; });
  board.Send(apic::DeliveryMode::kInit);
  board.Send(apic::DeliveryMode::kStartup);
  board.t.AwaitWrites(0x20, 2);
  board.t.SetInput(0x50, 1);
  board.t.AwaitWrites(0x20, 3);
  CHECK(board.pic.acknowledged == 0);
}

TEST_CASE("whoever is asked to acknowledge may drive lines", "[extint]") {
  WireBoard board(MUSTER_SNIPPET(extint_in_hlt));
  std::atomic<int> failed{0};
  board.pic.also = [&](int cpu) {
    Vcpu& vcpu = board.t.vm().vcpu(cpu);
    if (!vcpu.SetLine(kPin, true).ok() || !vcpu.SetLine(kPin, false).ok()) ++failed;
    if (!vcpu.SendMessage({.destination = 0, .x2apic = true, .vector = 0x41}).ok()) ++failed;
  };
  board.Start();
  board.Raise();
  board.t.AwaitWrites(0x30, 2);
  CHECK(failed == 0);
  CHECK(board.t.Writes(0x30)[0].value == 0x40);
  CHECK(board.t.Writes(0x30)[1].value == 0x41);
}

TEST_CASE("a CPU that is reset while it acknowledges does not take the interrupt", "[extint]") {
  PinBoard board(MUSTER_SNIPPET(ap_takes_interrupts));
  std::atomic<int> failed{0};
  board.pic.also = [&](int cpu) {
    if (!board.t.vm()
             .vcpu(cpu)
             .SendMessage(
                 {.destination = 1, .x2apic = true, .delivery_mode = apic::DeliveryMode::kInit})
             .ok()) {
      ++failed;
    }
  };
  board.pic.asserted = true;
  board.Edge();
  board.t.Await("INIT", [&] { return board.t.Look(1).state == RunState::kWaitForSipi; });
  board.pic.also = nullptr;
  board.Send(apic::DeliveryMode::kStartup);
  board.t.AwaitWrites(0x20, 2);
  board.pic.asserted = true;
  board.Edge();
  board.t.AwaitWrites(0x30, 1);
  CHECK(board.t.CountWrites(0x30) == 1);
  CHECK(board.pic.acknowledged == 2);
  CHECK(failed == 0);
}

}  // namespace
}  // namespace muster::vcpu
