#pragma once

#include <cstdint>
#include <functional>
#include <poll.h>
#include <thread>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/wake/event_fd.h>

namespace muster::vmm {

// The thread that brings the input of a ConsolePeer or a ClientPeer: asleep but for what its
// descriptor says and for who wakes it. InputFd has its own, which also waits for room.
class InputThread {
 public:
  ~InputThread() { Stop(); }

  void Start(std::function<void()> main);
  // Sleep returns false from here on. Joins the thread.
  void Stop();
  // Any thread.
  void Wake() { wake_.Signal(); }
  // How often the thread has woken.
  uint64_t wake_ups() const { return wake_ups_.Load(std::memory_order_relaxed); }

  // On the thread: until `wait` is ready, which its `revents` say then, or somebody wakes it; for
  // `timeout_ms`, or where that is -1 for as long as it takes. False when it is time to stop.
  bool Sleep(pollfd& wait, int timeout_ms = -1);

 private:
  EventFd wake_;
  std::thread thread_;
  sync::Atomic<bool> stop_{false};
  sync::Atomic<uint64_t> wake_ups_{0};  // relaxed: a statistic
};

}  // namespace muster::vmm
