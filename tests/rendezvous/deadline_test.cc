#include <optional>
#include <random>

#include <catch2/catch.hpp>

#include "fake_vcpus.h"

namespace muster::rendezvous::test {
namespace {

TEST_CASE("a deadline returns who had not started, and what it was doing") {
  FakeVcpus vcpus(4);
  Watchdog watchdog(vcpus);
  vcpus.Start({0, 1}, Mode::kGuest);
  vcpus.Join({2});
  auto touch = [&](int cpu) { vcpus.Touch(cpu); };
  absl::StatusOr<Outcome> outcome = Outcome();
  // Until there was time enough for those that come at all.
  for (uint64_t time = 50 * kMs; outcome->ran != CpuSet{0, 1}; time *= 2) {
    outcome = vcpus.rendezvous().Execute(
        Initiator::Outside(),
        {.targets = {0, 1, 2, 3}, .function = touch, .deadline = sync::Now() + time});
  }
  CHECK(outcome->withdrawn == CpuSet{2});
  CHECK(outcome->unknown == CpuSet{3});
  REQUIRE(outcome->laggards.size() == 1);
  CHECK(outcome->laggards[0].cpu == 2);
  CHECK(outcome->laggards[0].doing == "in user code");

  vcpus.ServeIfPending(2);
  CHECK(vcpus.touched(2) == 0);  // withdrawn is for good
}

TEST_CASE("a deadline bounds the start of a function, not its end") {
  FakeVcpus vcpus(2);
  Watchdog watchdog(vcpus);
  vcpus.Start(0, Mode::kGuest);
  vcpus.Join({1});
  std::atomic<bool> started{false}, go{false};
  auto slow = [&](int) {
    started = true;
    Await([&] { return go.load(); });
  };
  std::optional<Caller> caller;
  // Until there was time enough to start.
  for (uint64_t time = 50 * kMs; !started; time *= 2) {
    caller.emplace(vcpus, CpuSet{0, 1}, slow, Caller::Options{.deadline = sync::Now() + time});
    Await([&] { return started || caller->returned(); });
  }
  // vCPU 1 is withdrawn when the deadline has passed, which shows that it has.
  Await(
      [&] { return vcpus.rendezvous().Describe().find("not started none") != std::string::npos; });
  CHECK_FALSE(caller->returned());
  go = true;
  CHECK(caller->outcome().ran == CpuSet{0});
  CHECK(caller->outcome().withdrawn == CpuSet{1});
}

TEST_CASE("a deadline that has passed already asks nobody and runs nothing") {
  FakeVcpus vcpus(2);
  Watchdog watchdog(vcpus);
  vcpus.Join({0, 1});
  auto touch = [&](int cpu) { vcpus.Touch(cpu); };
  const auto outcome = vcpus.rendezvous().Execute(
      Initiator::Vcpu(0), {.targets = {0, 1}, .function = touch, .deadline = sync::Now()});
  CHECK(outcome->withdrawn == CpuSet{0, 1});
  CHECK(vcpus.touched(0) == 0);
  CHECK(vcpus.notified(1) == 0);
}

TEST_CASE("no function starts after its deadline, though the initiator has yet to look at it",
          "[deadline-start]") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  vcpus.Join({0});
  const uint64_t deadline = sync::Now() + 20 * kMs;
  vcpus.OnNotify([&](int cpu) {  // holds the initiator up
    Await([&] { return sync::Now() > deadline; });
    std::thread owner([&] { vcpus.ServeIfPending(cpu); });
    owner.join();
  });
  auto touch = [&](int cpu) { vcpus.Touch(cpu); };
  const auto outcome = vcpus.rendezvous().Execute(
      Initiator::Outside(), {.targets = {0}, .function = touch, .deadline = deadline});
  CHECK(outcome->withdrawn == CpuSet{0});
  CHECK(vcpus.touched(0) == 0);
}

TEST_CASE("a deadline runs while the call waits for its turn") {
  FakeVcpus vcpus(2);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Join({0, 1});
  auto touch = [&](int cpu) { vcpus.Touch(cpu); };
  Caller first(vcpus, {0}, touch, {.name = "first"});
  Await([&] { return rendezvous.Pending(0); });
  Caller second(vcpus, {1}, touch, {.deadline = sync::Now() + 20 * kMs, .name = "second"});
  CHECK(second.outcome().withdrawn == CpuSet{1});
  REQUIRE(second.outcome().laggards.size() == 1);
  CHECK(second.outcome().laggards[0].doing.find("behind first") != std::string::npos);
  CHECK(vcpus.notified(1) == 0);
  Caller third(vcpus, {1}, touch, {.name = "third"});  // the queue goes on without the second
  CHECK(rendezvous.Serve(0)->functions == 1);
  Await([&] { return rendezvous.Pending(1); });
  CHECK(rendezvous.Serve(1)->functions == 1);
  CHECK(first.outcome().Complete());
  CHECK(third.outcome().Complete());
}

TEST_CASE("a member that starts as the deadline passes ran or was withdrawn, not both",
          "[deadline-start]") {
  constexpr int kVcpus = 4;
  FakeVcpus vcpus(kVcpus);
  Watchdog watchdog(vcpus);
  vcpus.Start(CpuSet::FirstN(kVcpus), Mode::kGuest);
  std::minstd_rand random(1);
  uint64_t ran = 0, withdrawn = 0;
  bool right = true;
  for (int i = 0; i < 5000; ++i) {
    int runs[kVcpus] = {};  // plain, and of this round only: a late run is a race, and miscounts
    auto count = [&](int cpu) {
      vcpus.Touch(cpu);
      ++runs[cpu];
    };
    const auto outcome = vcpus.rendezvous().Execute(Initiator::Outside(),
                                                    {.targets = CpuSet::FirstN(kVcpus),
                                                     .function = count,
                                                     .deadline = sync::Now() + random() % 60'000});
    right = right && (outcome->ran | outcome->withdrawn) == CpuSet::FirstN(kVcpus);
    right = right && (outcome->ran & outcome->withdrawn).Empty();
    for (int cpu = 0; cpu < kVcpus; ++cpu) {
      right = right && runs[cpu] == (outcome->ran.Contains(cpu) ? 1 : 0);
    }
    ran += static_cast<uint64_t>(outcome->ran.Count());
    withdrawn += static_cast<uint64_t>(outcome->withdrawn.Count());
  }
  CHECK(right);
  CHECK(vcpus.violations() == 0);
  CHECK(vcpus.rendezvous().counters().ran == ran);
  CHECK(vcpus.rendezvous().counters().withdrawn == withdrawn);
}

}  // namespace
}  // namespace muster::rendezvous::test
