#pragma once

#include <absl/base/thread_annotations.h>
#include <cstdint>
#include <thread>
#include <vector>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/device/line_buffer.h>

namespace muster::vmm {

// Passes on lines that stay unfinished, such as prompts, a while after they began. A thread of its
// own, which sleeps when there are none: writing may wait for a reader, and nothing else should.
class IdleFlusher {
 public:
  static constexpr uint64_t kPatienceNs = 20'000'000;

  IdleFlusher() = default;
  ~IdleFlusher() { Join(); }

  // Before Start. The buffer outlives Stop.
  void Watch(LineBuffer& buffer) { buffers_.push_back(&buffer); }
  void Start();

  // A line has begun: for LineBuffer's `unfinished`.
  void Announce();

  // Joins the thread and flushes for the last time.
  void Stop();

  // How often the thread has woken.
  uint64_t wake_ups() const { return wake_ups_.Load(std::memory_order_relaxed); }

 private:
  void Main();
  void Join();

  std::vector<LineBuffer*> buffers_;
  std::thread thread_;
  sync::Atomic<uint64_t> wake_ups_{0};  // relaxed: a statistic
  sync::Mutex mutex_;
  sync::CondVar changed_;
  bool announced_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace muster::vmm
