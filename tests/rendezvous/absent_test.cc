// vCPUs that sleep and whose owner's thread is elsewhere: whoever calls acts for them. But others
// may have them just then, and nobody else comes to a call later.
#include <catch2/catch.hpp>

#include "fake_vcpus.h"

namespace muster::rendezvous::test {
namespace {

constexpr Caller::Options kAnybody = {.runs = Runs::kAnywhere, .name = "absent"};

TEST_CASE("a vCPU that another has when it is asked for is acted for when it is given back",
          "[absent]") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  vcpus.Join({0});
  vcpus.GoOutside(0);
  std::optional<Caller> caller;
  REQUIRE(vcpus.Look(0, [&] {
    caller.emplace(
        vcpus, CpuSet{0}, [&](int cpu) { vcpus.Touch(cpu); }, kAnybody);
    Await([&] { return vcpus.notified(0) != 0; });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // until it sleeps, most likely
    CHECK_FALSE(caller->returned());
  }));
  CHECK(caller->outcome().ran == CpuSet{0});
  CHECK(vcpus.touched(0) == 1);
  CHECK(vcpus.rendezvous().counters().helped == 1);
  CHECK(vcpus.violations() == 0);
}

TEST_CASE("a vCPU whose owner was asked and goes without serving is acted for", "[absent]") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  vcpus.Join({0});
  Caller caller(
      vcpus, {0}, [&](int cpu) { vcpus.Touch(cpu); }, kAnybody);
  Await([&] { return vcpus.notified(0) != 0; });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK_FALSE(caller.returned());
  vcpus.GoOutside(0);
  CHECK(caller.outcome().ran == CpuSet{0});
  CHECK(vcpus.violations() == 0);
}

TEST_CASE("a vCPU that is given back while it is asked for is acted for at once", "[absent]") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  vcpus.Join({0});
  // Behind the caller's first look at it, and before its second.
  vcpus.OnNotify([&](int cpu) { vcpus.GoOutside(cpu); });
  Caller caller(
      vcpus, {0}, [&](int cpu) { vcpus.Touch(cpu); }, kAnybody);
  CHECK(caller.outcome().ran == CpuSet{0});
  CHECK(vcpus.violations() == 0);
}

TEST_CASE("a call that only an owner may serve waits for it, whoever gives it back", "[absent]") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  vcpus.Join({0});
  vcpus.GoOutside(0);
  Caller caller(vcpus, {0}, [&](int cpu) { vcpus.Touch(cpu); });
  Await([&] { return vcpus.notified(0) != 0; });
  CHECK(vcpus.Look(0));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK_FALSE(caller.returned());
  vcpus.ComeInside(0);
  CHECK(vcpus.ServeIfPending(0) == 1);
  CHECK(caller.outcome().ran == CpuSet{0});
}

TEST_CASE("vCPUs that come and go and are looked at all the while are all called", "[absent]") {
  constexpr int kCpus = 3, kCalls = 2000;
  FakeVcpus vcpus(kCpus);
  Watchdog watchdog(vcpus);
  std::atomic<bool> ends{false};
  std::vector<std::thread> threads;
  for (int cpu = 0; cpu < kCpus; ++cpu) {
    vcpus.Join({cpu});
    threads.emplace_back([&, cpu] {
      while (!ends) {
        vcpus.GoOutside(cpu);
        std::this_thread::yield();
        vcpus.ComeInside(cpu);
        if (cpu == 0) vcpus.ServeIfPending(cpu);  // the others leave that to the callers
      }
      vcpus.GoOutside(cpu);
    });
    threads.emplace_back([&, cpu] {
      while (!ends) (void)vcpus.Look(cpu);
    });
  }
  for (int i = 0; i < kCalls; ++i) {
    Caller caller(
        vcpus, {0, 1, 2}, [&](int cpu) { vcpus.Touch(cpu); }, kAnybody);
    CHECK(caller.outcome().ran == CpuSet{0, 1, 2});
  }
  ends = true;
  for (std::thread& thread : threads) thread.join();
  for (int cpu = 0; cpu < kCpus; ++cpu) CHECK(vcpus.touched(cpu) == kCalls);
  CHECK(vcpus.violations() == 0);
}

}  // namespace
}  // namespace muster::rendezvous::test
