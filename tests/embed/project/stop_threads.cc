// The rendezvous alone: plain threads that count stop together, now and then, and hold; and each
// runs a function. No KVM and no guest: a "vCPU" is a worker, and is asked to come by a flag.
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include <muster/rendezvous/rendezvous.h>
#include <muster/rendezvous/standstill.h>

using namespace muster::rendezvous;

namespace {

constexpr int kWorkers = 4;

// A worker looks at Pending itself, every round: there is nobody to kick or to borrow.
class Workers : public Notifier {
 public:
  void Notify(int) override {}
  bool TryBorrow(int) override { return false; }
  void GiveBack(int) override {}
  std::string Describe(int) override { return "counting"; }

  void Work(int worker) {
    while (!over.load(std::memory_order_relaxed)) {
      if (rendezvous.Pending(worker) && !rendezvous.Serve(worker).ok()) std::_Exit(1);
      counts[static_cast<size_t>(worker)].fetch_add(1, std::memory_order_relaxed);
    }
    if (!rendezvous.Leave(worker).ok()) std::_Exit(1);
  }

  uint64_t Sum() const {
    uint64_t sum = 0;
    for (const auto& count : counts) sum += count.load(std::memory_order_relaxed);
    return sum;
  }

  Rendezvous rendezvous{kWorkers, *this};
  std::array<std::atomic<uint64_t>, kWorkers> counts{};
  std::atomic<bool> over{false};
};

}  // namespace

int main() {
  Workers workers;
  std::vector<std::thread> threads;
  for (int worker = 0; worker < kWorkers; ++worker) {
    if (!workers.rendezvous.Join(worker).ok()) return 1;
    threads.emplace_back([&workers, worker] { workers.Work(worker); });
  }
  int failures = 0;
  for (int round = 0; round < 100; ++round) {
    auto standstill = workers.rendezvous.Stop(Initiator::Outside(), CpuSet::All());
    if (!standstill.ok() || standstill->standing().Count() != kWorkers) ++failures;
    const uint64_t stands_at = workers.Sum();
    for (int i = 0; i < 20; ++i) std::this_thread::yield();
    if (workers.Sum() != stands_at) ++failures;
    // What a stopped thread is asked to do, it does without going on.
    std::atomic<int> looked{0};
    const auto look = [&looked](int) { ++looked; };
    const auto outcome = standstill->Execute(
        Initiator::Outside(), Call{.targets = CpuSet::FirstN(2), .function = look, .name = "look"});
    if (!outcome.ok() || outcome->ran.Count() != 2 || !outcome->Complete() || looked != 2)
      ++failures;
    standstill->Release();
    while (workers.Sum() == stands_at) std::this_thread::yield();
  }
  workers.over = true;
  for (std::thread& thread : threads) thread.join();
  std::printf("stopped %lu times, %lu functions\n",
              static_cast<unsigned long>(workers.rendezvous.counters().stops),
              static_cast<unsigned long>(workers.rendezvous.counters().ran));
  return failures == 0 ? 0 : 1;
}
