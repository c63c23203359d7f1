#include <catch2/catch.hpp>

#include "fake_vcpus.h"

namespace muster::rendezvous::test {
namespace {

void Nothing(int) {}

bool Says(FakeVcpus& vcpus, const char* text) {
  return vcpus.rendezvous().Describe().find(text) != std::string::npos;
}

TEST_CASE("during a standstill only its owner's calls run") {
  FakeVcpus vcpus(3);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Start({0, 1, 2}, Mode::kGuest);
  auto standstill = rendezvous.Stop(Initiator::Outside(), CpuSet::All());
  REQUIRE(standstill.ok());
  CHECK(standstill->standing() == CpuSet{0, 1, 2});
  vcpus.Freeze({0, 1, 2}, 1);

  auto touch = [&](int cpu) { vcpus.Touch(cpu); };
  auto touch_through = [&](int cpu) { vcpus.Touch(cpu, true); };
  Caller other(vcpus, {0, 1}, touch, {.name = "other"});
  Caller hasty(vcpus, {0, 1}, touch, {.deadline = sync::Now() + 20 * kMs});
  CHECK(hasty.outcome().withdrawn == CpuSet{0, 1});
  CHECK(hasty.outcome().laggards.at(0).doing.find("behind a stop") != std::string::npos);
  Await([&] { return Says(vcpus, "'other' waits"); });
  for (int i = 0; i < 100; ++i) {
    const auto mine =
        standstill->Execute(Initiator::Outside(), {.targets = {0, 2}, .function = touch_through});
    REQUIRE(mine->Complete());
  }
  CHECK_FALSE(other.returned());
  CHECK(vcpus.touched(1) == 0);

  vcpus.Freeze({0, 1, 2}, -1);
  standstill->Release();
  CHECK(other.outcome().Complete());
  CHECK(vcpus.touched(1) == 1);
  CHECK(standstill->standing().Empty());
  CHECK_FALSE(
      standstill->Execute(Initiator::Outside(), {.targets = {0}, .function = Nothing}).ok());
  CHECK(vcpus.violations() == 0);
}

TEST_CASE("standstills nest by count, released in any order") {
  const bool outer_first = GENERATE(false, true);
  FakeVcpus vcpus(3);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Start({0, 1, 2}, Mode::kGuest);
  auto outer = rendezvous.Stop(Initiator::Outside(), {0, 1});
  REQUIRE(outer.ok());
  auto inner = outer->Stop(Initiator::Outside(), {1, 2});
  REQUIRE(inner.ok());
  Caller other(vcpus, {0, 1, 2}, Nothing, {.name = "other"});
  Await([&] { return Says(vcpus, "'other' waits"); });
  CHECK(Says(vcpus, "held 0-2 by 2 standstills"));
  (outer_first ? outer : inner)->Release();
  CHECK(Says(vcpus, outer_first ? "held 1-2 by 1" : "held 0-1 by 1"));
  CHECK_FALSE(other.returned());
  (outer_first ? inner : outer)->Release();
  CHECK(other.outcome().Complete());
  CHECK(Says(vcpus, "held none by 0"));
}

TEST_CASE("a vCPU that joins a stopped world starts held", "[join-standstill]") {
  FakeVcpus vcpus(3);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Start({0, 1}, Mode::kGuest);
  auto standstill = rendezvous.Stop(Initiator::Outside(), CpuSet::All());
  REQUIRE(standstill.ok());
  vcpus.Freeze({0, 1, 2}, 1);
  vcpus.Start(2, Mode::kGuest);
  CHECK(standstill->standing() == CpuSet{0, 1, 2});
  Await([&] { return Says(vcpus, "library 0-2"); });
  CHECK(vcpus.entries(2) == 0);
  vcpus.Freeze({0, 1, 2}, -1);
  standstill->Release();
  Await([&] { return vcpus.entries(2) == 1; });
  CHECK(vcpus.violations() == 0);
}

TEST_CASE("a vCPU that joins outside a subset that stands is not held", "[join-standstill]") {
  FakeVcpus vcpus(3);
  Watchdog watchdog(vcpus);
  vcpus.Start({0, 1}, Mode::kGuest);
  Await([&] { return vcpus.entries(1) == 1; });
  auto standstill = vcpus.rendezvous().Stop(Initiator::Outside(), {0});
  REQUIRE(standstill.ok());
  vcpus.Start(2, Mode::kGuest);
  Await([&] { return vcpus.entries(2) == 1; });
  CHECK(standstill->standing() == CpuSet{0});
  CHECK(vcpus.notified(1) == 0);
  CHECK(vcpus.entries(1) == 1);
}

TEST_CASE("vCPUs that stop everybody while another calls get through", "[pause-all]") {
  constexpr int kRounds = 300;
  FakeVcpus vcpus(3);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Join({0, 1});
  vcpus.Start(2, Mode::kGuest);
  std::atomic<int> failures{0}, finished{0};
  auto finish = [&](int self) {
    ++finished;
    while (finished < 2) {
      vcpus.ServeIfPending(self);
      std::this_thread::yield();
    }
    vcpus.ServeIfPending(self);
  };
  std::thread stopper([&] {
    auto touch = [&](int cpu) { vcpus.Touch(cpu, true); };
    for (int i = 0; i < kRounds; ++i) {
      auto standstill = rendezvous.Stop(Initiator::Vcpu(0), CpuSet::All());
      if (!standstill.ok() || standstill->standing() != CpuSet{0, 1, 2}) {
        ++failures;
        continue;
      }
      vcpus.Freeze({1, 2}, 1);
      const auto mine =
          standstill->Execute(Initiator::Vcpu(0), {.targets = {0, 1, 2}, .function = touch});
      if (!mine.ok() || !mine->Complete()) ++failures;
      vcpus.Freeze({1, 2}, -1);
    }
    finish(0);
  });
  std::thread caller([&] {
    auto touch = [&](int cpu) { vcpus.Touch(cpu); };
    for (int i = 0; i < kRounds; ++i) {
      const auto outcome =
          rendezvous.Execute(Initiator::Vcpu(1), {.targets = {0, 2}, .function = touch});
      if (!outcome.ok() || !outcome->Complete()) ++failures;
    }
    finish(1);
  });
  stopper.join();
  caller.join();
  CHECK(failures == 0);
  CHECK(vcpus.violations() == 0);
  CHECK(rendezvous.counters().stops == kRounds);
}

TEST_CASE("a vCPU that waits in the library stands, and is not woken for it") {
  FakeVcpus vcpus(2);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Join({0});
  auto first = rendezvous.Stop(Initiator::Outside(), {});  // stops none, makes others wait
  REQUIRE(first.ok());
  Caller waiting(vcpus, {0}, Nothing, {.name = "waiting", .initiator = Initiator::Vcpu(0)});
  Await([&] { return Says(vcpus, "library 0"); });
  auto second = first->Stop(Initiator::Outside(), CpuSet::All());
  REQUIRE(second.ok());
  CHECK(second->standing() == CpuSet{0});
  CHECK(vcpus.notified(0) == 0);
  CHECK(rendezvous.counters().woken == 0);
  second->Release();
  CHECK_FALSE(waiting.returned());
  first->Release();
  CHECK(waiting.outcome().Complete());
}

TEST_CASE("a call that gives up during a standstill does not set its vCPU free") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Join({0});
  auto standstill = rendezvous.Stop(Initiator::Outside(), {});
  REQUIRE(standstill.ok());
  const uint64_t deadline = sync::Now() + 2000 * kMs;  // to come to wait, and be stopped, in
  Caller hasty(vcpus, {0}, Nothing,
               {.deadline = deadline, .name = "hasty", .initiator = Initiator::Vcpu(0)});
  Await([&] { return Says(vcpus, "library 0"); });
  auto nested = standstill->Stop(Initiator::Outside(), {0});
  REQUIRE(nested.ok());
  Await([&] { return sync::Now() > deadline && !Says(vcpus, "'hasty' waits"); });
  CHECK_FALSE(hasty.returned());
  CHECK(Says(vcpus, "library 0"));
  nested->Release();
  CHECK(hasty.outcome().withdrawn == CpuSet{0});
}

TEST_CASE("a stop that is not reached in time lets all go and says who did not stand") {
  FakeVcpus vcpus(3);
  Watchdog watchdog(vcpus);
  vcpus.Start({0, 1}, Mode::kGuest);
  vcpus.Join({2});
  Await([&] { return vcpus.entries(0) == 1 && vcpus.entries(1) == 1; });
  const auto standstill =
      vcpus.rendezvous().Stop(Initiator::Outside(), CpuSet::All(), sync::Now() + 300 * kMs);
  CHECK(standstill.status().code() == absl::StatusCode::kDeadlineExceeded);
  CHECK(standstill.status().ToString().find("[2: in user code]") != std::string::npos);
  Await([&] { return vcpus.entries(0) == 2 && vcpus.entries(1) == 2; });
  CHECK(Says(vcpus, "held none by 0"));
  CHECK(vcpus.rendezvous().counters().stops == 0);
  CHECK(vcpus.rendezvous().Serve(2)->spurious());
}

TEST_CASE("a stop that never had its turn is no standstill, even of nobody") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  auto standstill = rendezvous.Stop(Initiator::Outside(), CpuSet::All());
  REQUIRE(standstill.ok());
  const auto second = rendezvous.Stop(Initiator::Outside(), {}, sync::Now() + 5 * kMs);
  CHECK(second.status().code() == absl::StatusCode::kDeadlineExceeded);
}

TEST_CASE("a vCPU that stopped the world itself is held when it goes on") {
  FakeVcpus vcpus(2);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Join({0});
  vcpus.Start(1, Mode::kGuest);
  std::optional<Standstill> kept;
  std::atomic<bool> went_on{false};
  std::thread owner([&] {
    auto standstill = rendezvous.Stop(Initiator::Vcpu(0), CpuSet::All());
    if (!standstill.ok()) return;
    kept = *std::move(standstill);  // for another thread to release
    if (rendezvous.Pending(0)) (void)rendezvous.Serve(0);
    went_on = true;
  });
  Await([&] { return Says(vcpus, "library 0-1"); });
  CHECK_FALSE(went_on);
  CHECK(kept->standing() == CpuSet{0, 1});
  kept->Release();
  owner.join();
  CHECK(went_on);
}

TEST_CASE("a call through a standstill does not set its vCPU free of another") {
  FakeVcpus vcpus(2);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Join({0, 1});
  auto outer = rendezvous.Stop(Initiator::Outside(), {});
  REQUIRE(outer.ok());
  const auto call = [&](Initiator initiator, const CpuSet& targets, const char* name) {
    (void)outer->Execute(initiator, {.targets = targets, .function = Nothing, .name = name});
  };
  std::thread first([&] { call(Initiator::Outside(), {1}, "first"); });
  Await([&] { return Says(vcpus, "'first' under way"); });
  std::optional<Standstill> inner;
  std::thread second([&] {
    auto standstill = outer->Stop(Initiator::Outside(), {0});
    if (standstill.ok()) inner = *std::move(standstill);
  });
  Await([&] { return Says(vcpus, "'a stop' waits"); });
  std::thread third([&] { call(Initiator::Vcpu(0), {0}, "third"); });
  Await([&] { return Says(vcpus, "'third' waits"); });
  CHECK(rendezvous.Serve(1)->functions == 1);
  for (std::thread* thread : {&first, &second, &third}) thread->join();
  REQUIRE(inner.has_value());
  CHECK(inner->standing() == CpuSet{0});
  CHECK(rendezvous.Pending(0));  // it goes on to Serve, not to the guest
}

TEST_CASE("a nested stop asks nobody who stands already") {
  FakeVcpus vcpus(2);
  Watchdog watchdog(vcpus);
  vcpus.Join({0, 1});
  vcpus.GoOutside(0);
  vcpus.GoOutside(1);
  auto standstill = vcpus.rendezvous().Stop(Initiator::Outside(), CpuSet::All());
  REQUIRE(standstill.ok());
  const int borrows = vcpus.borrows(0) + vcpus.borrows(1);
  auto nested = standstill->Stop(Initiator::Outside(), CpuSet::All());
  REQUIRE(nested.ok());
  CHECK(nested->standing() == CpuSet{0, 1});
  CHECK(vcpus.borrows(0) + vcpus.borrows(1) == borrows);
  CHECK(vcpus.notified(0) + vcpus.notified(1) == 0);
}

TEST_CASE("a standstill that is moved or destroyed is released once") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Start(0, Mode::kGuest);
  {
    auto first = rendezvous.Stop(Initiator::Outside(), {0});
    REQUIRE(first.ok());
    Standstill moved = *std::move(first);
    CHECK(moved.standing() == CpuSet{0});
    auto nested = moved.Stop(Initiator::Outside(), {0});
    REQUIRE(nested.ok());
    moved = *std::move(nested);
    CHECK(Says(vcpus, "held 0 by 1 standstills"));
  }
  CHECK(Says(vcpus, "held none by 0"));
  CHECK(
      rendezvous.Execute(Initiator::Outside(), {.targets = {0}, .function = Nothing})->Complete());
}

}  // namespace
}  // namespace muster::rendezvous::test
