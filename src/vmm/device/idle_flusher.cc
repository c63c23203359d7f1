#include <pthread.h>

#include <muster/vmm/device/idle_flusher.h>

namespace muster::vmm {

void IdleFlusher::Start() {
  thread_ = std::thread([this] { Main(); });
}

void IdleFlusher::Announce() {
  sync::MutexLock lock(mutex_);
  announced_ = true;
  changed_.Signal();
}

void IdleFlusher::Stop() {
  Join();
  for (LineBuffer* buffer : buffers_) buffer->Flush();
}

void IdleFlusher::Join() {
  {
    sync::MutexLock lock(mutex_);
    stop_ = true;
    changed_.Signal();
  }
  if (thread_.joinable()) thread_.join();
}

void IdleFlusher::Main() {
  pthread_setname_np(pthread_self(), "output");
  for (;;) {
    {
      sync::MutexLock lock(mutex_);
      while (!announced_ && !stop_) {
        changed_.Wait(mutex_);
        wake_ups_.FetchAdd(1, std::memory_order_relaxed);
      }
      const uint64_t patience_ends = sync::Now() + kPatienceNs;
      while (!stop_ && changed_.WaitUntil(mutex_, patience_ends)) {
        wake_ups_.FetchAdd(1, std::memory_order_relaxed);
      }
      wake_ups_.FetchAdd(1, std::memory_order_relaxed);
      if (stop_) return;
      announced_ = false;
    }
    for (LineBuffer* buffer : buffers_) buffer->Flush();
  }
}

}  // namespace muster::vmm
