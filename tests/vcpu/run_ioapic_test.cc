// The I/O APIC in the fabric, on real KVM: who is met when an entry changes, and what becomes of
// level interrupts that are discarded.

#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

#include <muster/apic/ioapic_regs.h>

#include "route_storm.h"
#include "test_vm.h"

namespace muster::vcpu {
namespace {

constexpr unsigned kPin = 5;
constexpr uint32_t kLevel = 1u << 15;
constexpr uint32_t kMasked = 1u << 16;

// CPU 0 makes the stores that a test asks for; the others run `ap` from SIPI on.
class Board {
 public:
  Board(int cpus, Snippet ap) : t(cpus) {
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(store_robot));
    t.Load(TestVm::kApCode, ap);
    t.Load(0x2000, MUSTER_SNIPPET(handler_40));
    t.Load(0x3000, MUSTER_SNIPPET(handler_41));
    t.SetIvt(0x40, 0x2000);
    t.SetIvt(0x41, 0x3000);
    t.StartAt({.mode = StartState::Mode::kProtected32, .rip = TestVm::kBspCode});
    for (int cpu = 1; cpu < cpus; ++cpu) {
      const auto id = static_cast<uint32_t>(cpu);
      for (const apic::Message& message :
           {apic::Message{
                .destination = id, .x2apic = true, .delivery_mode = apic::DeliveryMode::kInit},
            apic::Message{.destination = id,
            .x2apic = true,
            .delivery_mode = apic::DeliveryMode::kStartup,
            .vector = 8}}) {
        REQUIRE(t.vm().SendMessage(message).ok());
      }
    }
    t.AwaitWrites(0x20, static_cast<size_t>(cpus) - 1);
  }

  void WriteRegister(uint8_t reg, uint32_t value) {
    t.Store(apic::kDefaultIoApicBase + apic::kIoRegSel, reg);
    t.Store(apic::kDefaultIoApicBase + apic::kIoWin, value);
  }
  void Route(uint32_t low, int cpu) {
    WriteRegister(0x10 + 2 * kPin + 1, static_cast<uint32_t>(cpu) << 24);
    WriteRegister(0x10 + 2 * kPin, low);
  }
  void Line(bool asserted) { REQUIRE(t.vm().SetLine(kPin, asserted).ok()); }
  void Edge() {
    Line(true);
    Line(false);
  }
  // At rest: the handler of the last interrupt has returned to the HLT.
  Counters Count(int cpu) {
    Inspection seen;
    t.Await("HLT", [&] {
      seen = t.Look(cpu);
      return seen.state == RunState::kHalted && seen.isr.empty() && !seen.deliverable;
    });
    return seen.counters;
  }

  TestVm t;
};

TEST_CASE("an edge on a pin interrupts the CPU that its entry names") {
  Board board(3, MUSTER_SNIPPET(ap_takes_interrupts));
  board.Route(0x40, 2);
  board.Edge();
  board.t.AwaitWrites(0x30, 1);
  CHECK(board.t.Writes(0x30)[0].cpu == 2);
}

TEST_CASE("a level interrupts again after EOI for as long as it is asserted") {
  Board board(2, MUSTER_SNIPPET(ap_takes_interrupts));
  board.Route(0x40 | kLevel, 1);
  board.Line(true);
  board.t.AwaitWrites(0x30, 5);
  board.Line(false);
  board.Count(1);
  CHECK_FALSE(board.t.vm().IoApicState().entry(kPin).Get<apic::Rte::RemoteIrr>());
}

TEST_CASE("a change of routing meets the CPUs of the old and the new entry, and nobody else") {
  Board board(4, MUSTER_SNIPPET(ap_takes_interrupts));
  board.Route(0x40, 1);
  board.Edge();
  board.t.AwaitWrites(0x30, 1);
  const uint64_t before[] = {0, board.Count(1).meetings, board.Count(2).meetings,
                             board.Count(3).meetings};
  const uint64_t entries = board.Count(3).entries;
  board.Route(0x41, 2);  // the first of the two stores changes the destination
  board.Edge();
  board.t.AwaitWrites(0x30, 2);
  CHECK(board.t.Writes(0x30)[1] == TestVm::Write{2, 0x30, 0x41});
  CHECK(board.Count(1).meetings == before[1] + 1);
  CHECK(board.Count(2).meetings == before[2] + 1);
  CHECK(board.Count(3).meetings == before[3]);
  CHECK(board.Count(3).entries == entries);
}

TEST_CASE("masking, unmasking and storing the same again meet nobody") {
  Board board(2, MUSTER_SNIPPET(ap_takes_interrupts));
  board.Route(0x40, 1);
  board.Edge();
  board.t.AwaitWrites(0x30, 1);
  const Counters before = board.Count(1);
  board.Route(0x40 | kMasked, 1);
  board.Route(0x40, 1);
  board.Route(0x40, 1);
  CHECK(board.Count(1).meetings == before.meetings);
  CHECK(board.Count(1).entries == before.entries);
}

TEST_CASE("level mail that a disabled APIC discards does not wedge the pin", "[eoi-remote-irr]") {
  Board board(2, MUSTER_SNIPPET(ap_enables_later));
  board.Route(0x40 | kLevel, 1);
  board.Line(true);
  board.t.Await("the discard", [&] { return board.t.Look(1).counters.mail_discarded > 0; });
  CHECK_FALSE(board.t.vm().IoApicState().entry(kPin).Get<apic::Rte::RemoteIrr>());
  CHECK(board.t.CountWrites(0x30) == 0);
  board.t.ram()[0x501] = 1;
  board.t.AwaitWrites(0x30, 1);
  board.Line(false);
}

TEST_CASE("a lowest-priority level goes to another where its CPU is disabled as it comes") {
  Board board(3, MUSTER_SNIPPET(ap_disables_when_told));
  constexpr uint32_t kLowest = 1u << 8, kLogical = 1u << 11;
  board.WriteRegister(0x10 + 2 * kPin + 1, 0x06u << 24);  // CPUs 1 and 2
  board.WriteRegister(0x10 + 2 * kPin, 0x40 | kLowest | kLogical | kLevel);
  // When CPU 1 has taken in its mail, and the store that disables its APIC has not been done.
  board.t.AtNextLookAtTheTime(1, [&] { (void)board.t.vm().SetLine(kPin, true); });
  board.t.ram()[0x501] = 1;
  board.t.AwaitWrites(0x30, 1);
  CHECK(board.t.Writes(0x30)[0] == TestVm::Write{2, 0x30, 0x40});
  CHECK(board.t.Look(1).counters.mail_discarded == 1);
  board.Line(false);
}

TEST_CASE("entries rewritten under fire lose no edge and stop nobody") {
  Board board(4, MUSTER_SNIPPET(ap_takes_interrupts));
  // One edge for each route, taken before the next route: 120 are 120.
  for (int i = 0; i < 120; ++i) {
    board.Route(0x40 + i % 2, 1 + i % 3);
    board.Edge();
    board.t.AwaitWrites(0x30, static_cast<size_t>(i) + 1);
    CHECK(board.t.Writes(0x30)[static_cast<size_t>(i)] ==
          TestVm::Write{1 + i % 3, 0x30, 0x40u + static_cast<uint32_t>(i % 2)});
  }
}

TEST_CASE("entries are rewritten while their target is reset and started, and edges come",
          "[route-storm]") {
  constexpr int kPairs = 100;
  Board board(4, MUSTER_SNIPPET(ap_takes_interrupts));
  const uint64_t startups = board.t.Look(3).counters.startups;
  std::atomic<bool> done{false};
  std::atomic<int> failed{0};
  std::thread restarts([&] {
    for (int i = 0; i < kPairs; ++i) {
      apic::Message message{
          .destination = 3, .x2apic = true, .delivery_mode = apic::DeliveryMode::kInit};
      if (!board.t.vm().SendMessage(message).ok()) ++failed;
      message.delivery_mode = apic::DeliveryMode::kStartup;
      message.vector = 8;
      if (!board.t.vm().SendMessage(message).ok()) ++failed;
    }
    done = true;
  });
  std::thread edges([&] {
    while (!done) {
      if (!board.t.vm().SetLine(kPin, true).ok()) ++failed;
      if (!board.t.vm().SetLine(kPin, false).ok()) ++failed;
      std::this_thread::yield();
    }
  });
  for (int i = 0; !done || i < 50; ++i) board.Route(0x40 + i % 2, 1 + i % 3);
  restarts.join();
  edges.join();
  CHECK(failed == 0);
  CHECK(board.t.Look(3).counters.startups == startups + kPairs);
  CHECK(board.t.Look(3).counters.startups_dropped == 0);
  // A look at those that sleep; CPU 0 may be in its caller's hands, and then there is no pause.
  (void)board.t.vm().Pause(10'000'000);
  const rendezvous::Counters counters = board.t.vm().meeting_counters();
  CHECK(counters.overruns == 0);
  CHECK(counters.escapes == 0);
  CHECK(counters.lost_wakes == 0);
}

TEST_CASE("CPUs rewrite entries while another is reset and started, and edges come",
          "[route-storm]") {
  RouteStorm(GENERATE(2, 8));
}

TEST_CASE("interrupts of a CPU that is met all the time wake it each time", "[lost-wake]") {
  Board board(3, MUSTER_SNIPPET(ap_takes_interrupts));
  std::atomic<bool> done{false};
  std::thread messages([&] {
    for (size_t i = 0; i < 1'000; ++i) {
      (void)board.t.vm().SendMessage({.destination = 1, .x2apic = true, .vector = 0x40});
      board.t.Await("its handler", [&] {
        size_t taken = 0;
        for (const TestVm::Write& write : board.t.Writes(0x30)) taken += write.value == 0x40;
        return taken > i;
      });
    }
    done = true;
  });
  while (!done) {
    board.Route(0x41, 2);
    board.Edge();
    // Has CPU 1 take in its mail, by CPU 0 for it if it sleeps or is about to; and sends it
    // nothing.
    board.Route(0x41, 1);
  }
  messages.join();
  CHECK(board.t.vm().meeting_counters().lost_wakes == 0);
}

TEST_CASE("Remote IRR of an interrupt that INIT wiped out stays until edge mode clears it",
          "[eoi-remote-irr]") {
  Board board(2, MUSTER_SNIPPET(ap_enables_later));
  // In service for good: its handler never returns.
  board.t.Load(0x2000, MUSTER_SNIPPET(spin));
  board.t.ram()[0x501] = 1;
  board.Route(0x40 | kLevel, 1);
  board.Line(true);
  board.t.AwaitWrites(0x10, 1);
  const auto remote_irr = [&] {
    return board.t.vm().IoApicState().entry(kPin).Get<apic::Rte::RemoteIrr>() != 0;
  };
  CHECK(remote_irr());
  board.Route(0x41 | kLevel, 1);  // another vector: the EOI of the old one would not match
  CHECK(remote_irr());
  REQUIRE(board.t.vm()
              .SendMessage(
                  {.destination = 1, .x2apic = true, .delivery_mode = apic::DeliveryMode::kInit})
              .ok());
  REQUIRE(board.t.vm()
              .SendMessage({.destination = 1,
                            .x2apic = true,
                            .delivery_mode = apic::DeliveryMode::kStartup,
                            .vector = 8})
              .ok());
  board.t.AwaitWrites(0x20, 2);
  CHECK(remote_irr());
  CHECK(board.t.CountWrites(0x30) == 0);
  board.Route(0x41 | kMasked, 1);  // edge
  CHECK_FALSE(remote_irr());
  board.Route(0x41 | kLevel, 1);  // still asserted: it fires
  board.t.AwaitWrites(0x30, 1);
  board.Line(false);
  board.Count(1);
  CHECK_FALSE(remote_irr());
}

TEST_CASE("a line that does not exist is refused by its number") {
  TestVm t(1);
  const absl::Status status = t.vm().SetLine(24, true);
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK(status.ToString().find("line 24") != std::string::npos);
}

}  // namespace
}  // namespace muster::vcpu
