#pragma once

#include <absl/base/thread_annotations.h>
#include <cstdint>
#include <functional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <muster/rendezvous/sync.h>
#include <muster/vcpu/run/clock.h>

namespace muster::vmm {

// The vCPUs' clock: CLOCK_MONOTONIC, and one thread that waits for the earliest of their deadlines.
class TimerThread : public vcpu::Clock {
 public:
  explicit TimerThread(int cpus);
  ~TimerThread() override { Stop(); }

  // From here on `expired` is called for each deadline, on the thread, with no lock held.
  void Start(std::function<void(int cpu)> expired);
  void Stop();

  uint64_t NowNs() override { return sync::Now(); }
  void Arm(int cpu, uint64_t deadline_ns) override;

 private:
  void Main();

  std::function<void(int)> expired_;
  std::thread thread_;
  sync::Mutex mutex_;
  sync::CondVar changed_;                                    // the earliest deadline, or stop_
  std::vector<uint64_t> deadlines_ ABSL_GUARDED_BY(mutex_);  // by vCPU
  std::set<std::pair<uint64_t, int>> queue_ ABSL_GUARDED_BY(mutex_);  // those not kNever
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace muster::vmm
