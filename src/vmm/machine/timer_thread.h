#pragma once

#include <absl/base/thread_annotations.h>
#include <atomic>
#include <cstdint>
#include <functional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <muster/rendezvous/sync.h>
#include <muster/vcpu/run/clock.h>
#include <muster/vmm/device/device_timer.h>

namespace muster::vmm {

// The machine's clock: CLOCK_MONOTONIC less the time for which it was held, and one thread that
// waits for the earliest deadline of the vCPUs and, numbered from `cpus` on, of devices.
class TimerThread : public vcpu::Clock {
 public:
  explicit TimerThread(int cpus, int devices = 0);
  ~TimerThread() override { Stop(); }

  // From here on `expired` is called for each deadline, on the thread, with no lock held.
  void Start(std::function<void(int number)> expired);
  void Stop();

  uint64_t NowNs() override {
    // Acquire: whoever sees it go on sees by how much it is behind.
    const uint64_t held_at = held_at_.load(std::memory_order_acquire);
    if (held_at != kNever) return held_at;
    return sync::Now() - behind_.load(std::memory_order_relaxed);
  }
  void Arm(int cpu, uint64_t deadline_ns) override;
  void Hold() override;
  void Continue() override;
  // How often the thread has woken.
  uint64_t wake_ups() const { return wake_ups_.load(std::memory_order_relaxed); }

 private:
  void Main();

  std::function<void(int)> expired_;
  std::atomic<uint64_t> held_at_{kNever};  // kNever: it goes
  std::atomic<uint64_t> behind_{0};        // CLOCK_MONOTONIC, by so much
  std::atomic<uint64_t> wake_ups_{0};      // relaxed: a statistic
  std::thread thread_;
  sync::Mutex mutex_;
  sync::CondVar changed_;  // the earliest deadline, held_at_ or stop_
  std::vector<uint64_t> deadlines_ ABSL_GUARDED_BY(mutex_);           // by number
  std::set<std::pair<uint64_t, int>> queue_ ABSL_GUARDED_BY(mutex_);  // those not kNever
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
};

// One device's share of it.
class DeviceDeadline : public DeviceTimer {
 public:
  DeviceDeadline(TimerThread& thread, int number) : thread_(thread), number_(number) {}
  uint64_t NowNs() override { return thread_.NowNs(); }
  void Arm(uint64_t deadline_ns) override { thread_.Arm(number_, deadline_ns); }

 private:
  TimerThread& thread_;
  const int number_;
};

}  // namespace muster::vmm
