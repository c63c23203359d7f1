#include <mutex>

#include <catch2/catch.hpp>

#include "fake_vcpus.h"

namespace muster::rendezvous::test {
namespace {

void Nothing(int) {}

TEST_CASE("a spurious entry is a counted no-op that clears the stale hint", "[spurious]") {
  FakeVcpus vcpus(3);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Join({0, 1, 2});

  Caller caller(vcpus, {1}, Nothing);
  Await([&] { return rendezvous.Pending(1); });
  CHECK(rendezvous.Serve(1)->functions == 1);
  CHECK(caller.outcome().ran == CpuSet{1});

  CHECK(rendezvous.Serve(2)->spurious());  // it is over, and 2 never was in it
  CHECK(rendezvous.Serve(1)->spurious());
  CHECK(rendezvous.counters().spurious == 2);

  Caller late(vcpus, {2}, Nothing);
  Await([&] { return rendezvous.Pending(2); });
  CHECK(rendezvous.Leave(2).ok());
  CHECK(late.outcome().left == CpuSet{2});
  CHECK(rendezvous.Join(2).ok());
  REQUIRE(rendezvous.Pending(2));  // of a call that is over
  CHECK(rendezvous.Serve(2)->spurious());
  CHECK_FALSE(rendezvous.Pending(2));  // so that no run loop spins on it
  CHECK(rendezvous.counters().spurious == 3);
}

TEST_CASE("the hint of a call that is published while a Serve ends is not erased") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus, 30);
  vcpus.Start(0, Mode::kGuest);
  // Two threads, so that the next call is published as soon as one is done.
  constexpr int kCalls = 10'000;
  auto calls = [&] {
    for (int i = 0; i < kCalls; ++i) {
      auto touch = [&](int cpu) { vcpus.Touch(cpu); };
      (void)vcpus.rendezvous().Execute(Initiator::Outside(), {.targets = {0}, .function = touch});
    }
  };
  std::thread a(calls), b(calls);
  a.join();
  b.join();
  CHECK(vcpus.touched(0) == 2 * kCalls);
  CHECK(vcpus.violations() == 0);
}

TEST_CASE("each target runs the function once, and what it wrote is visible") {
  constexpr int kVcpus = 8;
  FakeVcpus vcpus(kVcpus);
  Watchdog watchdog(vcpus);
  vcpus.Start(CpuSet::FirstN(kVcpus), Mode::kGuest);
  int written[kVcpus] = {};  // plain: ordered by the rendezvous alone
  for (int i = 1; i <= 1000; ++i) {
    auto write = [&](int cpu) {
      vcpus.Touch(cpu);
      written[cpu] = i;
    };
    const auto outcome = vcpus.rendezvous().Execute(
        Initiator::Outside(), {.targets = CpuSet::FirstN(kVcpus), .function = write});
    REQUIRE(outcome->ran == CpuSet::FirstN(kVcpus));
    REQUIRE(outcome->Complete());
    for (int value : written) REQUIRE(value == i);
  }
  for (int cpu = 0; cpu < kVcpus; ++cpu) CHECK(vcpus.touched(cpu) == 1000);
  CHECK(vcpus.violations() == 0);
}

TEST_CASE("the functions of one call run in parallel") {
  FakeVcpus vcpus(3);
  Watchdog watchdog(vcpus);
  vcpus.Start({0, 1, 2}, Mode::kGuest);
  std::atomic<int> inside{0};
  auto meet = [&](int) {
    ++inside;
    Await([&] { return inside == 3; });
  };
  const auto outcome =
      vcpus.rendezvous().Execute(Initiator::Outside(), {.targets = {0, 1, 2}, .function = meet});
  CHECK(outcome->Complete());
}

TEST_CASE("calls run one at a time, first come, first served") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Join({0});
  std::string order;
  auto append = [&](char letter) { return [&order, letter](int) { order += letter; }; };
  auto queued = [&](const char* name) {
    Await([&] { return rendezvous.Describe().find(name) != std::string::npos; });
  };
  Caller a(vcpus, {0}, append('a'), {.name = "call-a"});
  queued("'call-a' under way");
  Caller b(vcpus, {0}, append('b'), {.name = "call-b"});
  queued("'call-b' waits");
  Caller c(vcpus, {0}, append('c'), {.name = "call-c"});
  queued("'call-c' waits");
  Caller d(vcpus, {0}, append('d'), {.name = "call-d"});
  queued("'call-d' waits");
  while (order.size() < 4) vcpus.ServeIfPending(0);
  CHECK(order == "abcd");
}

TEST_CASE("a caller returns when its own call is done, though others follow") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Join({0});
  Caller first(vcpus, {0}, Nothing, {.name = "first"});
  Await([&] { return rendezvous.Pending(0); });
  Caller second(vcpus, {0}, Nothing, {.name = "second"});
  Await([&] { return rendezvous.Describe().find("'second' waits") != std::string::npos; });
  CHECK(rendezvous.Serve(0)->functions == 1);
  CHECK(first.outcome().Complete());  // nobody has served the second
  CHECK_FALSE(second.returned());
  Await([&] { return rendezvous.Pending(0); });
  CHECK(rendezvous.Serve(0)->functions == 1);
  CHECK(second.outcome().Complete());
}

TEST_CASE("an initiator that is a target runs its own part itself") {
  FakeVcpus vcpus(2);
  Watchdog watchdog(vcpus);
  vcpus.Join({0});
  vcpus.Start(1, Mode::kGuest);
  std::atomic<std::thread::id> ran_on;
  auto touch = [&](int cpu) {
    vcpus.Touch(cpu);
    if (cpu == 0) ran_on = std::this_thread::get_id();
  };
  const auto alone =
      vcpus.rendezvous().Execute(Initiator::Vcpu(0), {.targets = {0}, .function = touch});
  CHECK(alone->ran == CpuSet{0});
  const auto both =
      vcpus.rendezvous().Execute(Initiator::Vcpu(0), {.targets = {0, 1}, .function = touch});
  CHECK(both->ran == CpuSet{0, 1});
  CHECK(ran_on.load() == std::this_thread::get_id());
  CHECK(vcpus.notified(0) == 0);
  CHECK_FALSE(vcpus.rendezvous().Pending(0));
  CHECK(vcpus.violations() == 0);
}

TEST_CASE("vCPUs that call each other serve while they wait") {
  constexpr int kVcpus = 4, kCalls = 500;
  FakeVcpus vcpus(kVcpus);
  Watchdog watchdog(vcpus);
  vcpus.Join(CpuSet::FirstN(kVcpus));
  std::atomic<int> failures{0}, finished{0};
  std::vector<std::thread> threads;
  for (int self = 0; self < kVcpus; ++self) {
    threads.emplace_back([&, self] {
      auto touch = [&](int cpu) { vcpus.Touch(cpu); };
      CpuSet others = CpuSet::FirstN(kVcpus);
      others.Remove(self);
      for (int i = 0; i < kCalls; ++i) {
        const auto outcome = vcpus.rendezvous().Execute(Initiator::Vcpu(self),
                                                        {.targets = others, .function = touch});
        if (!outcome.ok() || !outcome->Complete()) ++failures;
      }
      ++finished;
      while (finished < kVcpus) {
        vcpus.ServeIfPending(self);
        std::this_thread::yield();
      }
      vcpus.ServeIfPending(self);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  for (int cpu = 0; cpu < kVcpus; ++cpu) CHECK(vcpus.touched(cpu) == kCalls * (kVcpus - 1));
  CHECK(vcpus.violations() == 0);
}

TEST_CASE("vCPUs that are no target are not told and do not stop") {
  FakeVcpus vcpus(6);
  Watchdog watchdog(vcpus);
  vcpus.Start(CpuSet::FirstN(6), Mode::kGuest);
  Await([&] {
    for (int cpu = 0; cpu < 6; ++cpu) {
      if (vcpus.entries(cpu) == 0) return false;
    }
    return true;
  });
  auto touch = [&](int cpu) { vcpus.Touch(cpu); };
  for (int i = 0; i < 500; ++i) {
    (void)vcpus.rendezvous().Execute(Initiator::Outside(), {.targets = {1, 3}, .function = touch});
  }
  for (int cpu : {0, 2, 4, 5}) {
    CHECK(vcpus.notified(cpu) == 0);
    CHECK(vcpus.entries(cpu) == 1);
    CHECK(vcpus.touched(cpu) == 0);
  }
  CHECK(vcpus.touched(1) == 500);
  // On one core a target stands aside for the other, and may find the next call before its hint.
  if (sync::AvailableCores() > 1) {
    CHECK(vcpus.rendezvous().counters().spurious == 0);
  }
}

TEST_CASE("a call for nobody asks nobody") {
  FakeVcpus vcpus(2);
  vcpus.Join({0, 1});
  const auto outcome =
      vcpus.rendezvous().Execute(Initiator::Vcpu(0), {.targets = {}, .function = Nothing});
  CHECK(outcome->Complete());
  CHECK(vcpus.rendezvous().counters().notified == 0);
}

TEST_CASE("targets that do not exist are reported and not waited for") {
  FakeVcpus vcpus(4);
  Watchdog watchdog(vcpus);
  vcpus.Start(0, Mode::kGuest);
  const auto outcome = vcpus.rendezvous().Execute(
      Initiator::Outside(), {.targets = {0, 2, 5, 1023}, .function = Nothing});
  CHECK(outcome->ran == CpuSet{0});
  CHECK(outcome->unknown == CpuSet{2, 5, 1023});
}

TEST_CASE("calls from forbidden contexts are refused, in every build") {
  FakeVcpus vcpus(3), others(3);
  Watchdog watchdog(vcpus);
  Rendezvous& rendezvous = vcpus.rendezvous();
  vcpus.Join({0, 1});
  others.Join({0});
  const Call nothing{.targets = {1}, .function = Nothing};
  const auto kRefused = absl::StatusCode::kFailedPrecondition;

  SECTION("inside a function, of whichever rendezvous") {
    std::vector<absl::Status> got;
    auto nested = [&](int) {
      got.push_back(rendezvous.Execute(Initiator::Outside(), nothing).status());
      got.push_back(rendezvous.Stop(Initiator::Outside(), {1}).status());
      got.push_back(rendezvous.Serve(0).status());
      got.push_back(rendezvous.Leave(0));
      got.push_back(others.rendezvous().Execute(Initiator::Vcpu(0), nothing).status());
      got.push_back(others.rendezvous().Serve(0).status());
    };
    REQUIRE(rendezvous.Execute(Initiator::Vcpu(0), {.targets = {0}, .function = nested}).ok());
    REQUIRE(got.size() == 6);
    for (const absl::Status& status : got) CHECK(status.code() == kRefused);
  }
  SECTION("holding a lock of the library") {
    sync::Mutex mutex;
    sync::MutexLock lock(mutex);
    CHECK(rendezvous.Execute(Initiator::Outside(), nothing).status().code() == kRefused);
    CHECK(rendezvous.Stop(Initiator::Outside(), {1}).status().code() == kRefused);
    CHECK(rendezvous.Serve(0).status().code() == kRefused);
    CHECK(rendezvous.counters().refused == 3);
  }
  SECTION("as a vCPU that another thread is in the rendezvous as") {
    Caller owner(vcpus, {1}, Nothing, {.initiator = Initiator::Vcpu(0)});
    Await([&] { return rendezvous.Pending(1); });
    CHECK(rendezvous.Execute(Initiator::Vcpu(0), nothing).status().code() == kRefused);
    CHECK(rendezvous.Serve(0).status().code() == kRefused);
    CHECK(rendezvous.Serve(1)->functions == 1);
    CHECK(owner.outcome().Complete());
  }
  SECTION("as a vCPU that has not joined, or cannot") {
    CHECK(rendezvous.Execute(Initiator::Vcpu(2), nothing).status().code() == kRefused);
    CHECK(rendezvous.Execute(Initiator::Vcpu(77), nothing).status().code() ==
          absl::StatusCode::kInvalidArgument);
    CHECK(rendezvous.Serve(3).status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(rendezvous.Join(-1).code() == absl::StatusCode::kInvalidArgument);
    CHECK(rendezvous.Join(0).code() == absl::StatusCode::kAlreadyExists);
  }
  CHECK(rendezvous.Execute(Initiator::Vcpu(0), {.targets = {0}, .function = Nothing}).ok());
}

// Whoever finishes last must not touch the call, the function or anything else on a frame that
// ends with the call: here the frame is freed, and its thread gone, as soon as Execute returns.
TEST_CASE("a thread that acts for a vCPU, or is in a callback that others wait for, is refused") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  vcpus.Join({0});
  const auto refusal = [&] {
    return std::string(vcpus.rendezvous()
                           .Execute(Initiator::Outside(), {.targets = {0}, .function = Nothing})
                           .status()
                           .message());
  };
  sync::ThisThread().acting_for = 1;
  CHECK(refusal() == "the rendezvous was called by one who acts for a vCPU");
  sync::ThisThread().acting_for = 0;
  {
    const sync::Barred barred("in a callback");
    CHECK(refusal() == "the rendezvous was called in a callback");
    CHECK_FALSE(vcpus.rendezvous().Stop(Initiator::Outside(), {0}).ok());
  }
  vcpus.rendezvous().Leave(0).IgnoreError();
  CHECK(refusal().empty());
}

TEST_CASE("a Serve that is refused leaves the hint to the thread whose it is") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  vcpus.Join({0});
  std::atomic<bool> inside{false}, go{false};
  Caller first(vcpus, {0}, [&](int) {
    inside = true;
    Await([&] { return go.load(); });
  });
  Await([&] { return vcpus.rendezvous().Pending(0); });
  std::thread owner([&] { vcpus.ServeIfPending(0); });
  Await([&] { return inside.load(); });
  CHECK(absl::IsFailedPrecondition(vcpus.rendezvous().Serve(0).status()));
  CHECK(vcpus.rendezvous().Pending(0));
  go = true;
  owner.join();
  CHECK_FALSE(vcpus.rendezvous().Pending(0));
}

TEST_CASE("the last to finish touches nothing of a caller that has returned",
          "[notify-after-done]") {
  struct Frame {
    FakeVcpus* vcpus;
    mutable int argument = 0;
    void operator()(int cpu) const {
      vcpus->Touch(cpu);
      __atomic_fetch_add(&argument, 1, __ATOMIC_RELAXED);
    }
  };
  FakeVcpus vcpus(3);
  Watchdog watchdog(vcpus);
  vcpus.Start({0, 1, 2}, Mode::kGuest);
  std::atomic<int> failures{0};
  for (int i = 0; i < 2000; ++i) {
    std::thread caller([&] {
      auto frame = std::make_unique<Frame>(Frame{.vcpus = &vcpus});
      auto call = std::make_unique<Call>(Call{.targets = {0, 1, 2}, .function = *frame});
      const auto outcome = vcpus.rendezvous().Execute(Initiator::Outside(), *call);
      if (!outcome.ok() || !outcome->Complete()) ++failures;
      call.reset();
      if (frame->argument != 3) ++failures;
      frame->argument = -1;
      frame.reset();
    });
    caller.join();
  }
  CHECK(failures == 0);
  CHECK(vcpus.violations() == 0);
}

TEST_CASE("calls reach the right ones of more vCPUs than a word has bits", "[many]") {
  const int kVcpus = GENERATE(65, 256, 1024);
  constexpr int kServers = 4;
  FakeVcpus vcpus(kVcpus);
  Watchdog watchdog(vcpus);
  vcpus.Join(CpuSet::FirstN(kVcpus));
  std::atomic<bool> stop{false};
  std::vector<std::thread> servers;
  for (int server = 0; server < kServers; ++server) {
    servers.emplace_back([&, server] {
      while (!stop) {
        for (int cpu = server; cpu < kVcpus; cpu += kServers) vcpus.ServeIfPending(cpu);
        std::this_thread::yield();
      }
    });
  }
  std::vector<int> expected(static_cast<size_t>(kVcpus));
  bool right = true;
  for (int stride : {1, 2, 63, 64, 65, kVcpus - 1}) {
    CpuSet targets;
    for (int cpu = 0; cpu < kVcpus; cpu += stride) {
      targets.Add(cpu);
      ++expected[static_cast<size_t>(cpu)];
    }
    auto touch = [&](int cpu) { vcpus.Touch(cpu); };
    const auto outcome =
        vcpus.rendezvous().Execute(Initiator::Outside(), {.targets = targets, .function = touch});
    right = right && outcome->ran == targets && outcome->Complete();
  }
  stop = true;
  for (std::thread& server : servers) server.join();
  CHECK(right);
  for (int cpu = 0; cpu < kVcpus; ++cpu) {
    if (vcpus.touched(cpu) != expected[static_cast<size_t>(cpu)]) FAIL("vCPU " << cpu);
  }
  CHECK(vcpus.violations() == 0);
}

TEST_CASE("a member that has finished stands aside where there are more targets than cores") {
  const int targets = sync::AvailableCores() + 1;
  if (targets > CpuSet::kMaxCpus) return;
  FakeVcpus vcpus(targets);
  Watchdog watchdog(vcpus);
  vcpus.Join(CpuSet::FirstN(targets));
  const auto serve_one_by_one = [&](int count) {
    Caller caller(vcpus, CpuSet::FirstN(count), Nothing);
    for (int cpu = 0; cpu < count; ++cpu) {
      Await([&] { return vcpus.rendezvous().Pending(cpu); });
      vcpus.ServeIfPending(cpu);
    }
    CHECK(caller.outcome().Complete());
    return vcpus.rendezvous().counters().aside;
  };
  CHECK(serve_one_by_one(targets - 1) == 0);
  // All but the last, after which nobody is waited for.
  CHECK(serve_one_by_one(targets) == static_cast<uint64_t>(targets) - 1);
}

TEST_CASE("a member that has finished does not wait for one that is late without bound") {
  const int kVcpus = sync::AvailableCores() + 2;  // so that those who finish stand aside
  FakeVcpus vcpus(kVcpus);
  Watchdog watchdog(vcpus);
  vcpus.Start(CpuSet::FirstN(kVcpus - 1), Mode::kGuest);
  const int late = kVcpus - 1;
  vcpus.Join({late});
  Await([&] { return vcpus.entries(0) == 1; });
  Caller caller(vcpus, CpuSet::FirstN(kVcpus), Nothing);
  Await([&] { return vcpus.entries(0) == 2; });  // back in the guest, and `late` has not come
  CHECK_FALSE(caller.returned());
  vcpus.ServeIfPending(late);
  CHECK(caller.outcome().Complete());
}

}  // namespace
}  // namespace muster::rendezvous::test
