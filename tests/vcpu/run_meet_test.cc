// Calls of the rendezvous by whatever a Vm has made of its vCPUs: in the guest, asleep, with their
// caller, late or gone. On real KVM.

#include <array>
#include <atomic>
#include <cstring>
#include <new>
#include <poll.h>
#include <random>
#include <sys/mman.h>
#include <thread>

#include <catch2/catch.hpp>

#include "meet_bench.h"

namespace muster::vcpu {
namespace {

using rendezvous::Call;
using rendezvous::CpuSet;
using rendezvous::Initiator;
using rendezvous::Outcome;
using rendezvous::Runs;

constexpr uint64_t kMs = 1'000'000;

TEST_CASE("a CPU that comes to a meeting when it is over goes on, and comes once", "[spurious]") {
  Vcpus v(3);
  for (int cpu = 0; cpu < 3; ++cpu) {
    v.Begin(cpu, MUSTER_SNIPPET(says_for_ever));
    v.RunOnce(cpu);
  }
  int runs = 0;
  const auto count = [&](int) { ++runs; };
  {
    Caller caller(v, {1}, count);
    while (!caller.returned()) v.RunOnce(1);
    v.RunOnce(1);  // told twice, by the hint and by the request, it may come again
  }
  // CPU 2 is told, is with its caller, and the call is over without it.
  uint64_t before = v.counters().spurious;
  CHECK(v.meetings()
            .Execute(Initiator::Outside(),
                     {.targets = {2}, .function = count, .deadline = sync::After(kMs)})
            ->withdrawn == CpuSet{2});
  const auto comes_for_nothing = [&] {
    for (int i = 0; i < 100; ++i) v.RunOnce(2);
    const uint64_t after = v.counters().spurious;
    // By the hint and by the request, each of which is gone then.
    const bool once = after > before && after <= before + 2;
    before = after;
    return once;
  };
  CHECK(comes_for_nothing());
  v.vm().Notify(2);  // for no call at all
  CHECK(comes_for_nothing());
  CHECK_FALSE(v.meetings().Pending(2));
  CHECK(runs == 1);
  v.CheckNoDefect();
}

TEST_CASE("a CPU that is gone after its part does not keep the others' call from its end",
          "[leave-after-done]") {
  Vcpus v(3);
  v.Begin(0, MUSTER_SNIPPET(triple_fault_when_told), StartState::Mode::kProtected32);
  v.Begin(1, MUSTER_SNIPPET(spin));
  v.Begin(2, MUSTER_SNIPPET(says_for_ever));
  v.RunOnce(2);
  v.Drive(0);
  v.Drive(1);
  v.Await([&] { return v.says(0) == 1 && v.says(1) == 1; });
  std::atomic<int> ran{0};
  const auto count = [&](int) { ++ran; };
  Caller caller(v, {0, 1, 2}, count);
  v.Await([&] { return ran == 2; });
  v.ram()[0x501] = 1;
  v.Join(0);  // it has faulted, and left
  CHECK(v.meetings().members() == CpuSet{1, 2});
  CHECK_FALSE(caller.returned());
  v.RunOnce(2);
  CHECK(caller.outcome().ran == CpuSet{0, 1, 2});
  v.CheckNoDefect();
}

TEST_CASE("of a call whose deadline passes each CPU has run its part by the end, or never will",
          "[deadline-start]") {
  Vcpus v(3);
  for (int cpu = 0; cpu < 2; ++cpu) {
    v.Begin(cpu, MUSTER_SNIPPET(spin));
    v.Drive(cpu);
  }
  v.Begin(2, MUSTER_SNIPPET(says_for_ever));
  v.RunOnce(2);  // with its caller from here on: it never starts
  v.Await([&] { return v.says(0) == 1 && v.says(1) == 1; });
  const uint64_t ran_before = v.counters().ran;  // SIPIs
  std::minstd_rand random(1);
  uint64_t ran = 0, withdrawn = 0;
  int wrong = 0;
  for (int i = 0; i < 300; ++i) {
    // Some with no deadline, some with one that has passed.
    const CpuSet all = CpuSet::FirstN(i % 8 == 0 ? 2 : 3);
    const uint64_t deadline = i % 8 == 0   ? sync::kNever
                              : i % 8 == 1 ? sync::Now()
                                           : sync::After(random() % 1'000'000);
    std::array<int, 3> begun{}, ended{};  // plain, and of this round only
    const auto count = [&](int cpu) {
      ++begun[static_cast<size_t>(cpu)];
      // Now and then well past the deadline, which bounds the start alone.
      const uint64_t until =
          i % 4 == 2 ? sync::After(3 * kMs, deadline) : sync::After(20'000, sync::Now());
      while (sync::Now() < until) {
      }
      ++ended[static_cast<size_t>(cpu)];
    };
    const absl::StatusOr<Outcome> outcome = v.meetings().Execute(
        Initiator::Outside(), {.targets = all, .function = count, .deadline = deadline});
    if ((outcome->ran | outcome->withdrawn) != all) ++wrong;
    if (!(outcome->ran & outcome->withdrawn).Empty()) ++wrong;
    for (int cpu = 0; cpu < 3; ++cpu) {
      const int wanted = outcome->ran.Contains(cpu) ? 1 : 0;
      if (begun[static_cast<size_t>(cpu)] != wanted || ended[static_cast<size_t>(cpu)] != wanted) {
        ++wrong;
      }
    }
    ran += static_cast<uint64_t>(outcome->ran.Count());
    withdrawn += static_cast<uint64_t>(outcome->withdrawn.Count());
  }
  CHECK(wrong == 0);
  CHECK(v.counters().ran == ran_before + ran);
  CHECK(v.counters().withdrawn == withdrawn);
  v.CheckNoDefect();
}

TEST_CASE("an interrupt that wakes a CPU waits for who acts for it, and is taken after",
          "[helper-wake]") {
  Vcpus v(2);
  v.Begin(0, MUSTER_SNIPPET(halt_open));
  v.Load(0x2000, MUSTER_SNIPPET(handler_says));
  v.SetIvt(0x40, 0x200);
  v.Drive(0);
  for (size_t i = 0; i < 50; ++i) {
    const size_t said = 1 + 2 * i;  // the handler and the line after HLT
    v.Await([&] {
      return v.says(0) == said && v.vm().core(0).doorbell().execution() == Execution::kParked;
    });
    bool alone = false;
    const auto wake_inside = [&](int cpu) {
      const uint64_t begun = v.entries(cpu).begun;
      v.vm().core(cpu).Post(0x40, apic::TriggerMode::kEdge);
      poll(nullptr, 0, 2);
      // Its owner is awake, and touches nothing.
      alone = v.entries(cpu).begun == begun &&
              v.vm().core(cpu).doorbell().execution() == Execution::kBorrowed;
    };
    const absl::StatusOr<Outcome> outcome = v.meetings().Execute(
        Initiator::Vcpu(1), {.targets = {0}, .function = wake_inside, .runs = Runs::kAnywhere});
    CHECK(outcome->ran == CpuSet{0});
    CHECK(alone);
    v.Await([&] { return v.says(0) == said + 2; });  // the wake was not lost
  }
  CHECK(v.counters().helped == 50);
  v.CheckNoDefect();
}

TEST_CASE("a CPU that joins a stopped world starts held, and is no member of a call under way",
          "[join-standstill]") {
  Vcpus v(3);
  for (int cpu = 0; cpu < 3; ++cpu) v.Begin(cpu, MUSTER_SNIPPET(says_for_ever));
  v.Drive(0);
  v.Await([&] { return v.says(0) > 0; });
  v.RunOnce(2);
  v.vm().Left(1);
  const uint64_t before = v.entries(1).begun;
  {
    auto world = v.meetings().Stop(Initiator::Outside(), {0, 1}, sync::kNever);
    REQUIRE(world.ok());
    CHECK(world->standing() == CpuSet{0});
    REQUIRE(v.meetings().Join(1).ok());
    v.Drive(1);
    v.Await([&] { return v.meetings().Describe().find("library 0-1,") != std::string::npos; });
    CHECK(world->standing() == CpuSet{0, 1});
    CHECK(v.entries(1).begun == before);
    CHECK(v.says(1) == 0);
  }
  v.Await([&] { return v.says(1) > 0; });

  // CPU 1 again, while a call waits for CPU 2.
  v.vm().Left(1);
  std::array<std::atomic<int>, 3> runs{};
  const auto count = [&](int cpu) { ++runs[static_cast<size_t>(cpu)]; };
  Caller caller(v, {0, 1, 2}, count);
  v.Await([&] { return runs[0] == 1; });
  REQUIRE(v.meetings().Join(1).ok());
  const size_t said = v.says(1);
  v.Await([&] { return v.says(1) > said + 1; });  // it runs on, whoever is waited for
  CHECK_FALSE(caller.returned());
  v.RunOnce(2);
  CHECK(caller.outcome().ran == CpuSet{0, 2});
  CHECK(caller.outcome().unknown == CpuSet{1});
  CHECK(runs[1] == 0);
  v.CheckNoDefect();
}

// Its entries are exits of KVM_RUN: the host's own interrupts cause none.
TEST_CASE("a CPU that is no target of INIT, SIPI, a change of routing or a standstill never stops",
          "[non-member]") {
  Vcpus v(3);
  for (int cpu = 0; cpu < 3; ++cpu) {
    v.Begin(cpu, MUSTER_SNIPPET(spin));
    v.Drive(cpu);
  }
  Doorbell& other = v.vm().core(2).doorbell();
  // In the guest again after its exit, and for good.
  v.Await([&] {
    return v.says(0) == 1 && v.says(1) == 1 && v.says(2) == 1 &&
           other.execution() == Execution::kGuest && other.requests() == 0;
  });
  const uint64_t entries = other.entries().begun;
  const uint64_t kicks = other.kicks();
  const uint64_t notified = v.counters().notified;

  const auto send = [&](apic::DeliveryMode mode, uint8_t vector) {
    return v.vm()
        .fabric()
        .SendMessage(kOutside,
                     {.destination = 1, .x2apic = true, .delivery_mode = mode, .vector = vector})
        .ok();
  };
  const auto write = [&](uint32_t reg, uint32_t value) {
    for (const auto& [offset, word] : {std::pair(0x00u, reg), std::pair(0x10u, value)}) {
      uint8_t bytes[sizeof(word)];
      std::memcpy(bytes, &word, sizeof(word));
      REQUIRE(v.vm().fabric().ioapic().Write(kOutside, offset, bytes).ok());
    }
  };
  constexpr unsigned kPin = 3;
  for (uint32_t i = 0; i < 8; ++i) {
    REQUIRE(send(apic::DeliveryMode::kInit, 0));
    REQUIRE(send(apic::DeliveryMode::kStartup, 5));
    // An entry that has sent something moves from CPU 0 to CPU 1 and back.
    write(0x10 + 2 * kPin + 1, i % 2 << 24);
    write(0x10 + 2 * kPin, 0x40);
    REQUIRE(v.vm().SetLine(kOutside, kPin, true).ok());
    REQUIRE(v.vm().SetLine(kOutside, kPin, false).ok());
    auto two = v.meetings().Stop(Initiator::Outside(), {0, 1}, sync::kNever);
    REQUIRE(two.ok());
  }
  CHECK(v.counters().notified > notified);
  CHECK(v.counters().stops == 8);
  CHECK(other.entries().begun == entries);
  CHECK(other.kicks() == kicks);
  v.CheckNoDefect();
}

// The caller's frame is a page that is gone as soon as its call has returned.
TEST_CASE("the last to come touches nothing of a caller that has returned", "[notify-after-done]") {
  Vcpus v(3);
  for (int cpu = 0; cpu < 3; ++cpu) {
    v.Begin(cpu, MUSTER_SNIPPET(spin));
    v.Drive(cpu);
  }
  struct Frame {
    mutable std::atomic<int> parts{0};
    void operator()(int) const { ++parts; }
  };
  struct Whole {
    Frame frame;
    Call call{.targets = CpuSet::FirstN(3), .function = frame};
  };
  int wrong = 0;
  for (int i = 0; i < 60; ++i) {
    std::thread([&] {
      void* page =
          mmap(nullptr, sizeof(Whole), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      auto* whole = new (page) Whole;
      const absl::StatusOr<Outcome> outcome =
          v.meetings().Execute(Initiator::Outside(), whole->call);
      if (!outcome.ok() || !outcome->Complete() || whole->frame.parts != 3) ++wrong;
      munmap(page, sizeof(Whole));
    }).join();
  }
  CHECK(wrong == 0);
  v.CheckNoDefect();
}

}  // namespace
}  // namespace muster::vcpu
