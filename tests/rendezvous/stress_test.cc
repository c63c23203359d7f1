#include <random>

#include <catch2/catch.hpp>

#include "fake_vcpus.h"

namespace muster::rendezvous::test {
namespace {

// Threads of vCPUs and others that do at random everything that the interface allows.
class Storm {
 public:
  Storm(int vcpus, int outsiders, int operations)
      : vcpus_(vcpus),
        watchdog_(vcpus_, 100),
        count_(vcpus),
        operations_(operations),
        to_start_(vcpus + outsiders) {
    std::vector<std::thread> threads;
    for (int cpu = 0; cpu < vcpus; ++cpu) threads.emplace_back([this, cpu] { Vcpu(cpu); });
    for (int i = 0; i < outsiders; ++i) threads.emplace_back([this, i] { Outsider(i); });
    for (std::thread& thread : threads) thread.join();
  }

  int failures() const { return failures_; }
  uint64_t ran() const { return ran_; }
  FakeVcpus& vcpus() { return vcpus_; }
  int touched() const {
    int sum = 0;
    for (int cpu = 0; cpu < count_; ++cpu) sum += vcpus_.touched(cpu);
    return sum;
  }

 private:
  using Random = std::minstd_rand;

  void Vcpu(int cpu) {
    Random random(static_cast<unsigned>(cpu) + 1);
    vcpus_.Join({cpu});
    StartTogether();
    for (int i = 0; i < operations_; ++i) {
      const auto operation = random() % 8;
      if (operation != 0) vcpus_.ServeIfPending(cpu);
      switch (operation) {
        case 0:  // with a call pending or not
          Expect(vcpus_.rendezvous().Leave(cpu).ok());
          std::this_thread::yield();
          vcpus_.Join({cpu});
          break;
        case 1:
          Stop(Initiator::Vcpu(cpu), random);
          break;
        case 2:
        case 3:
          Call(Initiator::Vcpu(cpu), random);
          break;
        case 4:
          (void)vcpus_.rendezvous().Serve(cpu);
          break;
        case 5:
          vcpus_.EnterGuest(cpu, sync::Now() + random() % 100'000);
          break;
        default:
          vcpus_.Park(cpu, sync::Now() + random() % 200'000);
      }
    }
    Expect(vcpus_.rendezvous().Leave(cpu).ok());
  }

  void Outsider(int number) {
    Random random(1000 + static_cast<unsigned>(number));
    StartTogether();
    for (int i = 0; i < operations_; ++i) {
      if (random() % 4 == 0) {
        Stop(Initiator::Outside(), random);
      } else {
        Call(Initiator::Outside(), random);
      }
    }
  }

  void StartTogether() {
    --to_start_;
    Await([&] { return to_start_ == 0; });
  }

  CpuSet Targets(Random& random) {
    CpuSet targets;
    for (int cpu = 0; cpu <= count_; ++cpu) {  // one of which is unknown
      if (random() % 3 == 0) targets.Add(cpu);
    }
    return targets;
  }

  uint64_t Deadline(Random& random) {
    return random() % 2 == 0 ? sync::kNever : sync::Now() + random() % 500'000;
  }

  void Call(Initiator initiator, Random& random, Standstill* standstill = nullptr) {
    std::atomic<bool> over{false};
    auto touch = [&](int cpu) {
      Expect(!over);
      vcpus_.Touch(cpu, standstill != nullptr);
    };
    const rendezvous::Call call{.targets = Targets(random),
                                .function = touch,
                                .runs = random() % 2 == 0 ? Runs::kAnywhere : Runs::kOnOwnerThread,
                                .deadline = Deadline(random)};
    const auto outcome = standstill != nullptr ? standstill->Execute(initiator, call)
                                               : vcpus_.rendezvous().Execute(initiator, call);
    over = true;
    if (!outcome.ok()) {
      Expect(false);
      return;
    }
    const CpuSet* sets[] = {&outcome->ran, &outcome->left, &outcome->withdrawn, &outcome->unknown};
    CpuSet all;
    int count = 0;
    for (const CpuSet* set : sets) {
      all |= *set;
      count += set->Count();
    }
    Expect(all == call.targets && count == call.targets.Count());
    Expect(outcome->laggards.size() == static_cast<size_t>(outcome->withdrawn.Count()));
    ran_ += static_cast<uint64_t>(outcome->ran.Count());
  }

  void Stop(Initiator initiator, Random& random) {
    auto standstill = vcpus_.rendezvous().Stop(initiator, Targets(random), Deadline(random));
    if (!standstill.ok()) {
      Expect(standstill.status().code() == absl::StatusCode::kDeadlineExceeded);
      return;
    }
    CpuSet frozen = standstill->standing();
    if (initiator.is_vcpu()) frozen.Remove(initiator.cpu());
    vcpus_.Freeze(frozen, 1);
    Call(initiator, random, &*standstill);
    if (random() % 2 == 0) {
      auto nested = standstill->Stop(initiator, Targets(random), Deadline(random));
      if (nested.ok()) Call(initiator, random, &*nested);
    }
    vcpus_.Freeze(frozen, -1);
  }

  void Expect(bool right) {
    if (!right) ++failures_;
  }

  FakeVcpus vcpus_;
  Watchdog watchdog_;
  const int count_;
  const int operations_;
  std::atomic<int> to_start_;
  std::atomic<int> failures_{0};
  std::atomic<uint64_t> ran_{0};
};

TEST_CASE("random calls, stops, joins, leaves and deadlines of many threads all end") {
  struct Size {
    int vcpus, outsiders, operations;
  };
  const Size size = GENERATE(Size{2, 1, 20'000}, Size{4, 2, 10'000}, Size{16, 3, 2000},
                             Size{64, 4, 300}, Size{250, 6, 40});
  Storm storm(size.vcpus, size.outsiders, size.operations);
  CAPTURE(storm.vcpus().last_violation());
  CHECK(storm.failures() == 0);
  CHECK(storm.vcpus().violations() == 0);
  CHECK(static_cast<uint64_t>(storm.touched()) == storm.ran());
  const Counters counters = storm.vcpus().rendezvous().counters();
  CAPTURE(size.vcpus);
  CHECK(counters.refused == 0);
  CHECK(counters.overruns == 0);
  CHECK(counters.escapes == 0);
  CHECK(counters.lost_wakes == 0);
  // All of it happened.
  CHECK(counters.ran > 0);
  if (size.vcpus > 2) CHECK(counters.left > 0);
  CHECK(counters.withdrawn > 0);
  CHECK(counters.helped > 0);
  CHECK(counters.woken > 0);
  CHECK(counters.stops > 0);
  CHECK(storm.vcpus().rendezvous().members().Empty());
}

}  // namespace
}  // namespace muster::rendezvous::test
