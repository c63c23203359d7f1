#include <pthread.h>

#include <muster/vmm/machine/timer_thread.h>

namespace muster::vmm {

TimerThread::TimerThread(int cpus, int devices)
    : deadlines_(static_cast<size_t>(cpus + devices), kNever) {}

void TimerThread::Start(std::function<void(int)> expired) {
  expired_ = std::move(expired);
  thread_ = std::thread([this] { Main(); });
}

void TimerThread::Stop() {
  {
    sync::MutexLock lock(mutex_);
    stop_ = true;
    changed_.Signal();
  }
  if (thread_.joinable()) thread_.join();
}

void TimerThread::Arm(int cpu, uint64_t deadline_ns) {
  sync::MutexLock lock(mutex_);
  uint64_t& deadline = deadlines_[static_cast<size_t>(cpu)];
  if (deadline == deadline_ns) return;
  if (deadline != kNever) queue_.erase({deadline, cpu});
  deadline = deadline_ns;
  if (deadline == kNever) return;
  const auto [place, added] = queue_.insert({deadline, cpu});
  if (place == queue_.begin()) changed_.Signal();
}

void TimerThread::Hold() {
  sync::MutexLock lock(mutex_);
  held_at_.store(NowNs(), std::memory_order_release);
  changed_.Signal();
}

void TimerThread::Continue() {
  sync::MutexLock lock(mutex_);
  const uint64_t held_at = held_at_.load(std::memory_order_relaxed);
  if (held_at == kNever) return;
  behind_.store(sync::Now() - held_at, std::memory_order_relaxed);
  held_at_.store(kNever, std::memory_order_release);
  changed_.Signal();
}

void TimerThread::Main() {
  pthread_setname_np(pthread_self(), "timer");
  for (;;) {
    int due = -1;
    {
      sync::MutexLock lock(mutex_);
      while (!stop_ && due < 0) {
        if (queue_.empty() || held_at_.load(std::memory_order_relaxed) != kNever) {
          changed_.Wait(mutex_);
          wake_ups_.fetch_add(1, std::memory_order_relaxed);
        } else if (const auto [deadline, cpu] = *queue_.begin(); NowNs() < deadline) {
          changed_.WaitUntil(mutex_, deadline + behind_.load(std::memory_order_relaxed));
          wake_ups_.fetch_add(1, std::memory_order_relaxed);
        } else {
          due = cpu;
          queue_.erase(queue_.begin());
          deadlines_[static_cast<size_t>(cpu)] = kNever;
        }
      }
      if (stop_) return;
    }
    expired_(due);
  }
}

}  // namespace muster::vmm
