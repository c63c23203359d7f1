#include <catch2/catch.hpp>

#include "fake_vcpus.h"

namespace muster::rendezvous::test {
namespace {

void Nothing(int) {}

TEST_CASE("a member may leave after its part while others have not run theirs",
          "[leave-after-done]") {
  FakeVcpus vcpus(3);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Join({0, 1, 2});
  Caller caller(vcpus, {1, 2}, Nothing);
  Await([&] { return rendezvous.Pending(1) && rendezvous.Pending(2); });
  CHECK(rendezvous.Serve(1)->functions == 1);
  CHECK(rendezvous.Leave(1).ok());
  CHECK(rendezvous.Serve(2)->functions == 1);
  CHECK(caller.outcome().ran == CpuSet{1, 2});
  CHECK(caller.outcome().left.Empty());
}

TEST_CASE("a vCPU that dies with a call pending is taken out, and the caller is told",
          "[die-mid-call]") {
  FakeVcpus vcpus(4);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Start({1, 2}, Mode::kGuest);
  vcpus.Join({0, 3});
  Caller caller(vcpus, {1, 2, 3}, Nothing, {.initiator = Initiator::Vcpu(0)});
  Await([&] { return rendezvous.Pending(3); });
  CHECK(rendezvous.Leave(3).ok());
  CHECK(caller.outcome().ran == CpuSet{1, 2});
  CHECK(caller.outcome().left == CpuSet{3});
  CHECK(rendezvous.Serve(3)->spurious());
  CHECK(rendezvous.Leave(3).code() == absl::StatusCode::kNotFound);
  CHECK(rendezvous.members() == CpuSet{0, 1, 2});
}

TEST_CASE("a call ends when all its targets have left") {
  FakeVcpus vcpus(2);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Join({0, 1});
  Caller caller(vcpus, {0, 1}, Nothing);
  Await([&] { return rendezvous.Pending(0) && rendezvous.Pending(1); });
  CHECK(rendezvous.Leave(0).ok());
  CHECK(rendezvous.Leave(1).ok());
  CHECK(caller.outcome().left == CpuSet{0, 1});
}

TEST_CASE("a vCPU that is taken out while its function runs is waited for") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  vcpus.Join({0});
  std::atomic<bool> started{false}, go{false};
  auto slow = [&](int) {
    started = true;
    Await([&] { return go.load(); });
  };
  Caller caller(vcpus, {0}, slow);
  Await([&] { return vcpus.rendezvous().Pending(0); });
  std::thread owner([&] { (void)vcpus.rendezvous().Serve(0); });
  Await([&] { return started.load(); });
  CHECK(vcpus.rendezvous().Leave(0).ok());
  // Its number cannot start another life while a thread of this one is in here.
  CHECK(vcpus.rendezvous().Join(0).code() == absl::StatusCode::kFailedPrecondition);
  CHECK_FALSE(caller.returned());
  go = true;
  CHECK(caller.outcome().ran == CpuSet{0});
  owner.join();
  CHECK(vcpus.rendezvous().Join(0).ok());
}

TEST_CASE("a vCPU that joins during a call is no member of it", "[join-standstill]") {
  FakeVcpus vcpus(2);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Join({0});
  auto touch = [&](int cpu) { vcpus.Touch(cpu); };
  Caller caller(vcpus, {0, 1}, touch);
  Await([&] { return rendezvous.Pending(0); });
  vcpus.Join({1});
  CHECK_FALSE(rendezvous.Pending(1));
  CHECK(rendezvous.Serve(1)->spurious());
  CHECK(rendezvous.Serve(0)->functions == 1);
  CHECK(caller.outcome().ran == CpuSet{0});
  CHECK(caller.outcome().unknown == CpuSet{1});
  CHECK(vcpus.touched(1) == 0);
}

TEST_CASE("taking a vCPU out ends its owner's waits in the library") {
  FakeVcpus vcpus(3);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Join({0, 1, 2});
  SECTION("for its turn") {
    Caller first(vcpus, {0}, Nothing);
    Await([&] { return rendezvous.Pending(0); });
    Caller second(vcpus, {0}, Nothing, {.name = "second", .initiator = Initiator::Vcpu(1)});
    Await([&] { return rendezvous.Describe().find("'second' waits") != std::string::npos; });
    CHECK(rendezvous.Leave(1).ok());
    CHECK(second.status().code() == absl::StatusCode::kFailedPrecondition);
    CHECK(rendezvous.Serve(0)->functions == 1);
    CHECK(first.outcome().Complete());
  }
  SECTION("for a standstill's end") {
    std::atomic<bool> held{false};
    std::thread owner([&] {
      Await([&] { return rendezvous.Pending(1); });
      held = rendezvous.Serve(1)->held;
    });
    auto standstill = rendezvous.Stop(Initiator::Outside(), {1});
    REQUIRE(standstill.ok());
    CHECK(rendezvous.Leave(1).ok());
    owner.join();
    CHECK(held);
    CHECK(standstill->standing().Empty());
  }
}

// Woken for its turn and taken out before it looks, a caller passes the turn on.
TEST_CASE("a vCPU that is taken out when its turn has come does not take the turn with it") {
  FakeVcpus vcpus(3);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Join({0});
  for (int i = 0; i < 300; ++i) {
    vcpus.Join({1});
    std::optional<Caller> second, third;
    auto queue_others = [&](int) {
      second.emplace(vcpus, CpuSet{2}, Nothing,
                     Caller::Options{.name = "second", .initiator = Initiator::Vcpu(1)});
      Await([&] { return rendezvous.Describe().find("'second' waits") != std::string::npos; });
      third.emplace(vcpus, CpuSet{2}, Nothing, Caller::Options{.name = "third"});
      Await([&] { return rendezvous.Describe().find("'third' waits") != std::string::npos; });
    };
    (void)rendezvous.Execute(Initiator::Vcpu(0), {.targets = {0}, .function = queue_others});
    REQUIRE(rendezvous.Leave(1).ok());
    REQUIRE(third->outcome().unknown == CpuSet{2});
    (void)second->status();  // joins; either may have been first
  }
}

}  // namespace
}  // namespace muster::rendezvous::test
