// What is told of a wait that lasts, and the counters that show a defect. A defect is made here by
// a vCPU that does what none must.

#include <chrono>
#include <mutex>
#include <numeric>
#include <optional>

#include <catch2/catch.hpp>

#include "fake_vcpus.h"

namespace muster::rendezvous::test {
namespace {

void Nothing(int) {}

class Recorder : public Observer {
 public:
  void Waits(const Wait& wait) override {
    if (sync::ThisThread().locks_held != 0) ++locked_;
    if (during_) during_();
    std::lock_guard lock(mutex_);
    last_ = wait;
    ++count_;
  }
  // The first that comes from now on and for which `holds`.
  template <typename Holds>
  Wait Await(Holds holds) {
    return *AwaitUnless(holds, [] { return false; });
  }
  // The same; nothing where `over()` comes first.
  template <typename Holds, typename Over>
  std::optional<Wait> AwaitUnless(Holds holds, Over over) {
    int seen = count();
    for (;;) {
      bool is_over = false;
      test::Await([&] { return count() > seen || (is_over = over()); });
      if (is_over) return std::nullopt;
      std::lock_guard lock(mutex_);
      seen = count_;
      if (holds(last_)) return last_;
    }
  }
  Wait Next() {
    return Await([](const Wait&) { return true; });
  }
  int count() {
    std::lock_guard lock(mutex_);
    return count_;
  }
  int locked() const { return locked_; }
  void During(std::function<void()> what) { during_ = std::move(what); }

 private:
  std::mutex mutex_;
  Wait last_;
  int count_ = 0;
  std::atomic<int> locked_{0};
  std::function<void()> during_;
};

TEST_CASE("a wait that lasts is told, with who has not arrived and who is in the function") {
  Recorder recorder;
  FakeVcpus vcpus(3, {.observer = &recorder, .report_after_ns = kMs});
  Watchdog watchdog(vcpus);
  vcpus.Join({0, 2});
  vcpus.Start(1, Mode::kGuest);
  std::atomic<bool> go{false};
  auto slow = [&](int cpu) {
    if (cpu == 1) Await([&] { return go.load(); });
  };
  std::atomic<int> refused{0};
  recorder.During([&] {
    const Call inner{.targets = {1}, .function = Nothing};
    if (!vcpus.rendezvous().Execute(Initiator::Outside(), inner).ok()) ++refused;
  });
  Caller caller(vcpus, {0, 1}, slow, {.name = "slow", .initiator = Initiator::Vcpu(2)});
  const Wait wait = recorder.Await([](const Wait& seen) {
    return seen.stragglers.size() == 2 && seen.stragglers[1].started &&
           seen.stragglers[0].asked_ns != 0;
  });
  CHECK(wait.name == "slow");
  CHECK(wait.initiator == 2);
  CHECK(wait.has_turn);
  CHECK(wait.waited_ns >= kMs);
  CHECK(wait.stragglers[0].cpu == 0);
  CHECK_FALSE(wait.stragglers[0].started);
  CHECK(wait.stragglers[0].notified);
  CHECK(wait.stragglers[0].asked_ns <= wait.waited_ns);
  CHECK(wait.stragglers[0].doing == "in user code");
  CHECK(wait.stragglers[1].since_ns <= wait.waited_ns);
  CHECK(ToString(wait).find("'slow' by vCPU 2 has waited") != std::string::npos);
  CHECK(ToString(wait).find("vCPU 0 not started, kicked") != std::string::npos);
  CHECK(ToString(wait).find("vCPU 1 in the function for") != std::string::npos);

  // And again, as the wait goes on.
  CHECK(recorder.Next().waited_ns > wait.waited_ns);
  go = true;
  vcpus.ServeIfPending(0);
  CHECK(caller.outcome().ran == CpuSet{0, 1});
  CHECK(recorder.locked() == 0);
  CHECK(refused == recorder.count());
  CHECK(vcpus.rendezvous().counters().reports == static_cast<uint64_t>(recorder.count()));
}

TEST_CASE("a call that waits for its turn tells what is before it") {
  Recorder recorder;
  FakeVcpus vcpus(2, {.observer = &recorder, .report_after_ns = kMs});
  Watchdog watchdog(vcpus);
  vcpus.Join({0, 1});
  const auto is_second = [](const Wait& wait) { return wait.name == "second"; };
  SECTION("a call") {
    Caller first(vcpus, {0}, Nothing, {.name = "first"});
    Await([&] { return vcpus.rendezvous().Pending(0); });
    Caller second(vcpus, {0}, Nothing, {.name = "second", .initiator = Initiator::Vcpu(1)});
    const Wait wait = recorder.Await(is_second);
    CHECK_FALSE(wait.has_turn);
    CHECK(wait.behind == "first");
    CHECK(wait.behind_initiator == -1);
    REQUIRE(wait.stragglers.size() == 1);  // for whom the other waits
    CHECK(wait.stragglers[0].cpu == 0);
    int served = 0;
    Await([&] { return (served += vcpus.ServeIfPending(0)) == 2; });
  }
  SECTION("a standstill") {
    std::thread owner([&] {
      Await([&] { return vcpus.rendezvous().Pending(0); });
      vcpus.ServeIfPending(0);
    });
    auto standstill = vcpus.rendezvous().Stop(Initiator::Outside(), {0}, sync::kNever, "pause");
    REQUIRE(standstill.ok());
    Caller second(vcpus, {1}, Nothing, {.name = "second"});
    const Wait wait = recorder.Await(is_second);
    CHECK(wait.behind == "pause");
    CHECK(wait.behind_initiator == -1);
    CHECK(wait.behind_ns > 0);
    CHECK(wait.queued_before == 0);
    CHECK(ToString(wait).find("its turn behind 'pause' by a thread outside, for ") !=
          std::string::npos);
    CHECK(wait.standing == CpuSet{0});
    CHECK(wait.stragglers.empty());
    standstill->Release();
    owner.join();
    Await([&] { return vcpus.ServeIfPending(1) > 0; });
  }
}

// Keeps a call named "next" in its observer until it may go on.
struct Keeper : Recorder {
  void Waits(const Wait& wait) override {
    if (wait.name == "next") {
      told = true;
      test::Await([&] { return may_go_on.load(); });
    }
    Recorder::Waits(wait);
  }
  std::atomic<bool> told{false}, may_go_on{false};
};

TEST_CASE("a call whose predecessor has just ended tells who is next") {
  Keeper recorder;
  FakeVcpus vcpus(2, {.observer = &recorder, .report_after_ns = kMs});
  Watchdog watchdog(vcpus);
  vcpus.Join({0, 1});
  vcpus.GoOutside(0);
  std::optional<Standstill> standstill;
  if (GENERATE(false, true)) {
    auto stop = vcpus.rendezvous().Stop(Initiator::Outside(), {0}, sync::kNever, "pause");
    REQUIRE(stop.ok());
    standstill = *std::move(stop);
  }
  const auto call = [&](const char* name, Initiator initiator, std::function<void(int)> function) {
    return std::thread([&, name, initiator, function = std::move(function)] {
      const Call what{.targets = {0}, .function = function, .runs = Runs::kAnywhere, .name = name};
      (void)(standstill ? standstill->Execute(initiator, what)
                        : vcpus.rendezvous().Execute(initiator, what));
    });
  };
  std::atomic<bool> first_runs{false}, first_may_end{false};
  std::thread first = call("first", Initiator::Outside(), [&](int) {
    first_runs = true;
    Await([&] { return first_may_end.load(); });
  });
  Await([&] { return first_runs.load(); });
  std::thread next = call("next", Initiator::Vcpu(1), Nothing);
  Await([&] { return recorder.told.load(); });
  std::thread last = call("last", Initiator::Outside(), Nothing);
  first_may_end = true;
  first.join();
  const Wait wait = recorder.Await(
      [](const Wait& seen) { return seen.name == "last" && seen.behind != "first"; });
  CHECK(wait.behind == "next");
  CHECK(wait.behind_initiator == 1);
  CHECK(wait.behind_ns == 0);
  CHECK(wait.queued_before == 0);
  CHECK(ToString(wait).find("its turn behind 'next' by vCPU 1, which is next") !=
        std::string::npos);
  recorder.may_go_on = true;
  next.join();
  last.join();
}

TEST_CASE("what a standstill keeps an owner from is told, but not that a vCPU stands") {
  Recorder recorder;
  FakeVcpus vcpus(1, {.observer = &recorder, .report_after_ns = kMs});
  Watchdog watchdog(vcpus);
  vcpus.Join({0});
  vcpus.GoOutside(0);
  auto standstill = vcpus.rendezvous().Stop(Initiator::Outside(), {0}, sync::kNever, "pause");
  REQUIRE(standstill.ok());
  vcpus.ComeInside(0);
  const bool waits = GENERATE(false, true);
  std::thread owner([&] {
    const auto served = vcpus.rendezvous().Serve(0, waits ? "hold" : nullptr);
    CHECK((served.ok() && served->held));
  });
  if (waits) {
    const Wait wait = recorder.Next();
    CHECK(wait.name == "hold");
    CHECK(wait.initiator == 0);
    CHECK(wait.waited_ns >= kMs);
    CHECK_FALSE(wait.has_turn);
    CHECK(wait.behind == "pause");
    CHECK(wait.behind_initiator == -1);
    CHECK(wait.behind_ns >= wait.waited_ns);
    CHECK(wait.queued_before == 0);
    CHECK(wait.standing == CpuSet{0});
    CHECK(recorder.Next().waited_ns > wait.waited_ns);  // and again, as the wait goes on
  } else {
    while (vcpus.rendezvous().Describe().find("waiting in the library 0") == std::string::npos) {
      std::this_thread::yield();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // in which nothing is to be told
  }
  standstill->Release();
  owner.join();
  if (!waits) CHECK(recorder.count() == 0);
  CHECK(recorder.locked() == 0);
}

TEST_CASE("a call that has missed its turn is told of for as long as its vCPU is held") {
  Recorder recorder;
  FakeVcpus vcpus(2, {.observer = &recorder, .report_after_ns = kMs});
  Watchdog watchdog(vcpus);
  vcpus.Join({0, 1});
  vcpus.GoOutside(0);
  vcpus.GoOutside(1);
  auto standstill = vcpus.rendezvous().Stop(Initiator::Outside(), {0, 1}, sync::kNever, "pause");
  REQUIRE(standstill.ok());
  vcpus.ComeInside(0);
  constexpr uint64_t kTime = 5 * kMs;
  Caller caller(vcpus, {1}, Nothing,
                {.deadline = sync::Now() + kTime, .initiator = Initiator::Vcpu(0)});
  const Wait wait = recorder.Await([](const Wait& seen) { return seen.waited_ns > 2 * kTime; });
  CHECK(wait.name == "call");
  CHECK(wait.behind == "pause");
  CHECK_FALSE(caller.returned());
  standstill->Release();
  CHECK(caller.outcome().withdrawn == CpuSet{1});
}

TEST_CASE("a call that is done in time tells nobody") {
  Recorder recorder;
  FakeVcpus vcpus(2, {.observer = &recorder, .report_after_ns = 3'600'000 * kMs});
  Watchdog watchdog(vcpus);
  vcpus.Start({0, 1}, Mode::kGuest);
  for (int i = 0; i < 100; ++i) {
    (void)vcpus.rendezvous().Execute(Initiator::Outside(),
                                     {.targets = {0, 1}, .function = Nothing});
  }
  CHECK(recorder.count() == 0);
  const Counters counters = vcpus.rendezvous().counters();
  CHECK(counters.overruns == 0);
  // Each part's start is in the statistic once.
  CHECK(std::accumulate(counters.start_delay.begin(), counters.start_delay.end(), uint64_t{0}) ==
        counters.ran);
}

TEST_CASE("an entry of the guest by a vCPU that was told to serve first is counted") {
  Recorder recorder;
  FakeVcpus vcpus(1, {.observer = &recorder, .report_after_ns = kMs});
  Watchdog watchdog(vcpus);
  vcpus.Join({0});
  vcpus.EnterBlindly(0);  // before the call: no defect
  {
    Caller caller(vcpus, {0}, Nothing);
    recorder.Await([](const Wait& wait) { return wait.stragglers.at(0).asked_ns != 0; });
    vcpus.EnterBlindly(0);
    vcpus.EnterBlindly(0);
    CHECK(recorder.Await([](const Wait& wait) { return wait.stragglers.at(0).overruns == 2; })
              .stragglers.at(0)
              .notified);
    vcpus.ServeIfPending(0);
  }
  CHECK(vcpus.rendezvous().counters().overruns == 2);
}

TEST_CASE(
    "an entry of the guest by a vCPU that was told to serve first is counted when withdrawn") {
  // On a busy machine the deadline may pass before the vCPU has been told and has entered: again,
  // with more time, until it has not.
  for (uint64_t time = 100 * kMs;; time *= 2) {
    Recorder recorder;
    FakeVcpus vcpus(1, {.observer = &recorder, .report_after_ns = kMs});
    Watchdog watchdog(vcpus);
    vcpus.Join({0});
    bool entered = false;
    {
      const uint64_t deadline = sync::Now() + time;
      Caller caller(vcpus, {0}, Nothing, {.deadline = deadline});
      if (recorder.AwaitUnless([](const Wait& wait) { return wait.stragglers.at(0).asked_ns != 0; },
                               [&] { return caller.returned(); })) {
        vcpus.EnterBlindly(0);
        vcpus.EnterBlindly(0);
        entered = sync::Now() < deadline;
      }
    }
    if (!entered) continue;
    CHECK(vcpus.rendezvous().counters().overruns == 2);
    return;
  }
}

TEST_CASE(
    "an entry of the guest by a vCPU that was told to serve first is counted when it leaves") {
  Recorder recorder;
  FakeVcpus vcpus(1, {.observer = &recorder, .report_after_ns = kMs});
  Watchdog watchdog(vcpus);
  vcpus.Join({0});
  Caller caller(vcpus, {0}, Nothing);
  recorder.Await([](const Wait& wait) { return wait.stragglers.at(0).asked_ns != 0; });
  vcpus.EnterBlindly(0);
  REQUIRE(vcpus.rendezvous().Leave(0).ok());
  CHECK(caller.outcome().left == CpuSet{0});
  CHECK(vcpus.rendezvous().counters().overruns == 1);
}

TEST_CASE("an entry of the guest by a vCPU that is just being told is no defect") {
  FakeVcpus vcpus(1);
  Watchdog watchdog(vcpus);
  vcpus.Join({0});
  vcpus.OnNotify([&](int cpu) { vcpus.EnterBlindly(cpu); });  // what it would look at is to come
  Caller caller(vcpus, {0}, Nothing);
  Await([&] { return vcpus.notified(0) > 0; });
  vcpus.ServeIfPending(0);
  CHECK(caller.outcome().ran == CpuSet{0});
  CHECK(vcpus.rendezvous().counters().overruns == 0);
}

TEST_CASE("a vCPU that enters the guest while it is held is counted") {
  FakeVcpus vcpus(2);
  Watchdog watchdog(vcpus);
  vcpus.Start({0, 1}, Mode::kParked);
  Await([&] { return vcpus.word(0) == Word::kParked && vcpus.word(1) == Word::kParked; });
  auto standstill = vcpus.rendezvous().Stop(Initiator::Outside(), CpuSet::All());
  REQUIRE(standstill.ok());
  const bool escape = GENERATE(false, true);
  if (escape) vcpus.EnterBlindly(1);
  standstill->Release();
  CHECK(vcpus.rendezvous().counters().escapes == (escape ? 1 : 0));
}

TEST_CASE("a stop finds a vCPU that sleeps though it has reason to be awake") {
  FakeVcpus vcpus(2);
  Watchdog watchdog(vcpus);
  vcpus.Start({0, 1}, Mode::kParked);
  Await([&] { return vcpus.word(0) == Word::kParked && vcpus.word(1) == Word::kParked; });
  const bool lose = GENERATE(false, true);
  if (lose) vcpus.InterruptSilently(1);
  {
    auto standstill = vcpus.rendezvous().Stop(Initiator::Outside(), CpuSet::All());
    REQUIRE(standstill.ok());
  }
  CHECK(vcpus.rendezvous().counters().lost_wakes == (lose ? 1 : 0));
}

}  // namespace
}  // namespace muster::rendezvous::test
