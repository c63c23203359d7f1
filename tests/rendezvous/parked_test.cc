#include <catch2/catch.hpp>

#include "fake_vcpus.h"

namespace muster::rendezvous::test {
namespace {

TEST_CASE("a helper runs a function for a parked vCPU, which sleeps on") {
  FakeVcpus vcpus(3);
  Watchdog watchdog(vcpus);
  vcpus.Start({0, 1}, Mode::kParked);
  vcpus.Start(2, Mode::kGuest);
  Await([&] { return vcpus.word(0) == Word::kParked && vcpus.word(1) == Word::kParked; });
  std::thread::id ran_on[3];
  auto touch = [&](int cpu) {
    vcpus.Touch(cpu);
    ran_on[cpu] = std::this_thread::get_id();
  };
  const auto outcome = vcpus.rendezvous().Execute(
      Initiator::Outside(), {.targets = {0, 1, 2}, .function = touch, .runs = Runs::kAnywhere});
  CHECK(outcome->ran == CpuSet{0, 1, 2});
  for (int cpu : {0, 1}) {
    CHECK(ran_on[cpu] == std::this_thread::get_id());
    CHECK(vcpus.notified(cpu) == 0);
    CHECK(vcpus.wakes(cpu) == 0);
  }
  CHECK(vcpus.notified(2) == 1);
  CHECK(vcpus.rendezvous().counters().helped == 2);
  CHECK(vcpus.violations() == 0);
}

TEST_CASE("a function for the owner's thread wakes a parked vCPU") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  vcpus.Start(0, Mode::kParked);
  Await([&] { return vcpus.word(0) == Word::kParked; });
  std::thread::id ran_on;
  auto touch = [&](int cpu) {
    vcpus.Touch(cpu);
    ran_on = std::this_thread::get_id();
  };
  const auto outcome =
      vcpus.rendezvous().Execute(Initiator::Outside(), {.targets = {0}, .function = touch});
  CHECK(outcome->ran == CpuSet{0});
  CHECK(ran_on != std::this_thread::get_id());
  CHECK(vcpus.borrows(0) == 0);
  CHECK(vcpus.notified(0) == 1);
}

TEST_CASE("an interrupt that wakes a vCPU waits out the helper that acts for it", "[helper-wake]") {
  FakeVcpus vcpus(2);
  Watchdog watchdog(vcpus);
  vcpus.Start({0, 1}, Mode::kParked);
  std::atomic<bool> stop{false};
  std::thread interrupts([&] {
    while (!stop) {
      vcpus.Interrupt(0);
      vcpus.Interrupt(1);
      std::this_thread::yield();
    }
  });
  constexpr int kCalls = 3000;
  auto touch = [&](int cpu) { vcpus.Touch(cpu); };
  bool complete = true;
  for (int i = 0; i < kCalls; ++i) {
    const auto outcome = vcpus.rendezvous().Execute(
        Initiator::Outside(), {.targets = {0, 1}, .function = touch, .runs = Runs::kAnywhere});
    complete = complete && outcome->Complete();
  }
  stop = true;
  interrupts.join();
  CHECK(complete);
  CHECK(vcpus.touched(0) == kCalls);
  CHECK(vcpus.touched(1) == kCalls);
  CHECK(vcpus.violations() == 0);
}

TEST_CASE("a vCPU that is borrowed while it wakes goes on when it is given back") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  vcpus.Start(0, Mode::kParked);
  Await([&] { return vcpus.word(0) == Word::kParked; });
  auto wake_inside = [&](int cpu) {
    vcpus.Touch(cpu);
    vcpus.Interrupt(cpu);
    Await([&] { return vcpus.borrow_waits(cpu) > 0; });
  };
  const auto outcome = vcpus.rendezvous().Execute(
      Initiator::Outside(), {.targets = {0}, .function = wake_inside, .runs = Runs::kAnywhere});
  CHECK(outcome->Complete());
  Await([&] { return vcpus.wakes(0) == 1; });
  CHECK(vcpus.violations() == 0);
}

TEST_CASE("a parked vCPU that stands does not go on when an interrupt wakes it", "[helper-wake]") {
  FakeVcpus vcpus(2);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Start(0, Mode::kParked);
  vcpus.Start(1, Mode::kGuest);
  Await([&] { return vcpus.word(0) == Word::kParked && vcpus.entries(1) == 1; });
  auto standstill = rendezvous.Stop(Initiator::Outside(), CpuSet::All());
  REQUIRE(standstill.ok());
  CHECK(standstill->standing() == CpuSet{0, 1});
  CHECK(vcpus.notified(0) == 0);  // stood without being woken
  CHECK(vcpus.word(0) == Word::kParked);
  vcpus.Freeze({0, 1}, 1);

  auto touch = [&](int cpu) { vcpus.Touch(cpu, true); };
  const Call anywhere{.targets = {0, 1}, .function = touch, .runs = Runs::kAnywhere};
  CHECK(standstill->Execute(Initiator::Outside(), anywhere)->Complete());
  CHECK(vcpus.notified(0) == 0);

  vcpus.Interrupt(0);
  Await([&] { return rendezvous.Describe().find("library 0-1") != std::string::npos; });
  CHECK(standstill->Execute(Initiator::Outside(), anywhere)->Complete());
  vcpus.Freeze({0, 1}, -1);
  standstill->Release();
  Await([&] { return vcpus.word(0) == Word::kParked && vcpus.entries(1) == 2; });
  CHECK(vcpus.violations() == 0);
}

}  // namespace
}  // namespace muster::rendezvous::test
