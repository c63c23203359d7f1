#include <catch2/catch.hpp>

#include <muster/vmm/machine/timer_thread.h>

namespace muster::vmm {
namespace {

// Collects expiries and lets the main thread wait for them.
struct Expiries {
  void Add(int cpu) {
    sync::MutexLock lock(mutex);
    cpus.push_back(cpu);
    changed.Signal();
  }
  std::vector<int> Wait(size_t count) {
    sync::MutexLock lock(mutex);
    while (cpus.size() < count) changed.Wait(mutex);  // a hang here is the failure
    return cpus;
  }
  sync::Mutex mutex;
  sync::CondVar changed;
  std::vector<int> cpus ABSL_GUARDED_BY(mutex);
};

TEST_CASE("timers expire in the order of their deadlines, each once") {
  TimerThread timer(3);
  Expiries expiries;
  const uint64_t now = timer.NowNs();
  timer.Arm(0, now + 3'000'000);
  timer.Arm(1, now + 1'000'000);
  timer.Arm(2, now + 2'000'000);
  timer.Start([&](int cpu) { expiries.Add(cpu); });
  CHECK(expiries.Wait(3) == std::vector<int>{1, 2, 0});
  timer.Stop();
  CHECK(expiries.Wait(0).size() == 3);
}

TEST_CASE("a timer armed again keeps its last deadline only, and kNever none") {
  TimerThread timer(2);
  Expiries expiries;
  timer.Start([&](int cpu) { expiries.Add(cpu); });
  const uint64_t now = timer.NowNs();
  timer.Arm(0, now + 3'600'000'000'000);  // the thread sleeps for an hour ...
  timer.Hold();                           // however long the next lines take
  timer.Arm(1, now + 1'000'000);
  timer.Arm(1, TimerThread::kNever);
  timer.Continue();
  timer.Arm(0, now);  // ... and is woken for an earlier deadline
  CHECK(expiries.Wait(1) == std::vector<int>{0});
  timer.Arm(0, timer.NowNs());  // the same vCPU anew
  expiries.Wait(2);
  timer.Stop();
  CHECK(expiries.Wait(0) == std::vector<int>{0, 0});
}

TEST_CASE("a held clock stands, and no timer expires until it goes on") {
  TimerThread timer(1);
  Expiries expiries;
  timer.Start([&](int cpu) { expiries.Add(cpu); });
  timer.Hold();
  const uint64_t now = timer.NowNs();
  timer.Arm(0, now + 1'000'000);
  const uint64_t end = sync::Now() + 20'000'000;
  while (sync::Now() < end) sync::Yield();
  CHECK(timer.NowNs() == now);
  CHECK(expiries.Wait(0).empty());
  timer.Continue();
  CHECK(expiries.Wait(1) == std::vector<int>{0});
  CHECK(timer.NowNs() >= now + 1'000'000);
  CHECK(timer.NowNs() < sync::Now() - 20'000'000);
  timer.Continue();  // nothing more
  timer.Stop();
}

}  // namespace
}  // namespace muster::vmm
