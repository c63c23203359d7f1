// Records a run of real threads that do at random what the rendezvous' model knows:
//
//   record_rendezvous FILE SEED VCPUS OPERATIONS
//
// VCPUS threads of vCPUs, and two that are none, each of which has a second number in the model for
// a standstill inside another. A run that hangs is recorded up to there; exit status 3.

#include <cstdlib>
#include <random>
#include <thread>
#include <unistd.h>

#include "../rendezvous/fake_vcpus.h"
#include "recorder.h"

namespace muster::rendezvous::test {
namespace {

constexpr int kOutsiders = 2;
constexpr int kSeconds = 20;  // taken for a hang

class Run {
 public:
  Run(unsigned seed, int vcpus, int operations)
      : vcpus_(vcpus), count_(vcpus), operations_(operations), to_start_(vcpus + kOutsiders) {
    for (int cpu = 0; cpu < vcpus; ++cpu) {
      threads_.emplace_back(
          [this, seed, cpu] { Vcpu(cpu, seed * 16 + static_cast<unsigned>(cpu)); });
    }
    for (int i = 0; i < kOutsiders; ++i) {
      threads_.emplace_back([this, seed, i] {
        Outsider(model::Recorder::kVcpus + 2 * i, seed * 16 + 8 + static_cast<unsigned>(i));
      });
    }
  }
  ~Run() {
    for (std::thread& thread : threads_) thread.join();
  }

  bool EndsInTime() {
    for (int i = 0; i < kSeconds * 100 && to_end_ != 0 && !model::Recorder::Only().full(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return to_end_ == 0;
  }
  int violations() const { return vcpus_.violations(); }

 private:
  using Random = std::minstd_rand;

  void Vcpu(int cpu, unsigned seed) {
    Random random(seed + 1);
    model::Recorder::Self() = cpu;
    vcpus_.Join({cpu});
    StartTogether();
    for (int i = 0; i < operations_; ++i) {
      const auto operation = random() % 9;
      if (operation != 0) vcpus_.ServeIfPending(cpu);
      (void)vcpus_.rendezvous().Join(cpu);  // where somebody made it leave
      switch (operation) {
        case 0:
          (void)vcpus_.rendezvous().Leave(cpu);
          std::this_thread::yield();
          break;
        case 1:
          Stop(Initiator::Vcpu(cpu), random, cpu);
          break;
        case 2:
        case 3:
          Call(Initiator::Vcpu(cpu), random);
          break;
        case 4:
          (void)vcpus_.rendezvous().Serve(cpu);  // for nothing
          break;
        case 5:
          vcpus_.EnterGuest(cpu, sync::Now() + random() % 100'000);
          break;
        case 6:
          vcpus_.GoOutside(cpu);
          std::this_thread::sleep_for(std::chrono::nanoseconds(random() % 100'000));
          vcpus_.ComeInside(cpu);
          break;
        default:
          vcpus_.Park(cpu, sync::Now() + random() % 200'000);
      }
    }
    (void)vcpus_.rendezvous().Leave(cpu);
    --to_end_;
  }

  void Outsider(int number, unsigned seed) {
    Random random(seed + 1);
    model::Recorder::Self() = number;
    StartTogether();
    for (int i = 0; i < operations_; ++i) {
      switch (random() % 7) {
        case 0:
          Stop(Initiator::Outside(), random, number + 1);
          model::Recorder::Self() = number;
          break;
        case 1:
          (void)vcpus_.rendezvous().Leave(
              static_cast<int>(random() % static_cast<unsigned>(count_)));
          break;
        case 2:
          (void)vcpus_.Look(static_cast<int>(random() % static_cast<unsigned>(count_)),
                            [] { std::this_thread::yield(); });
          break;
        default:
          Call(Initiator::Outside(), random);
      }
    }
    --to_end_;
  }

  void StartTogether() {
    --to_start_;
    Await([&] { return to_start_ == 0; });
  }

  CpuSet Targets(Random& random) {
    CpuSet targets;
    for (int cpu = 0; cpu <= count_; ++cpu) {  // one of which is unknown
      if (random() % 2 == 0) targets.Add(cpu);
    }
    return targets;
  }

  uint64_t Deadline(Random& random) {
    return random() % 2 == 0 ? sync::kNever : sync::Now() + random() % 300'000;
  }

  void Call(Initiator initiator, Random& random, Standstill* standstill = nullptr) {
    auto touch = [&](int cpu) { vcpus_.Touch(cpu, standstill != nullptr); };
    const rendezvous::Call call{.targets = Targets(random),
                                .function = touch,
                                .runs = random() % 2 == 0 ? Runs::kAnywhere : Runs::kOnOwnerThread,
                                .deadline = Deadline(random)};
    (void)(standstill != nullptr ? standstill->Execute(initiator, call)
                                 : vcpus_.rendezvous().Execute(initiator, call));
  }

  // The model gives a thread one standstill: a second is made as thread `inner`.
  void Stop(Initiator initiator, Random& random, int inner) {
    CpuSet targets = Targets(random);
    targets.Add(0);  // the model tells by it that there is one
    auto standstill = vcpus_.rendezvous().Stop(initiator, targets, Deadline(random));
    if (!standstill.ok()) return;
    Call(initiator, random, &*standstill);
    if (model::Recorder::Self() == inner || random() % 2 == 0) return;
    const int outer = std::exchange(model::Recorder::Self(), inner);
    targets = Targets(random);
    targets.Add(1);
    {
      auto nested = standstill->Stop(initiator, targets, Deadline(random));
      if (nested.ok()) Call(initiator, random, &*nested);
      model::Recorder::Self() = outer;
      if (random() % 2 == 0) standstill->Release();
      model::Recorder::Self() = inner;
    }
    model::Recorder::Self() = outer;
  }

  FakeVcpus vcpus_;
  const int count_;
  const int operations_;
  std::atomic<int> to_start_;
  std::atomic<int> to_end_{count_ + kOutsiders};
  std::vector<std::thread> threads_;
};

int Main(int argc, char** argv) {
  if (argc != 5) return 2;
  std::FILE* const file = std::fopen(argv[1], "w");
  if (file == nullptr) return 2;
  Run run(static_cast<unsigned>(std::atoi(argv[2])), std::atoi(argv[3]), std::atoi(argv[4]));
  const bool ended = run.EndsInTime();
  model::Recorder::Only().Write(file);
  std::fclose(file);
  if (!ended) _exit(3);
  return run.violations() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace muster::rendezvous::test

int main(int argc, char** argv) { return muster::rendezvous::test::Main(argc, argv); }
