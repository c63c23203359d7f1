#pragma once

#include <absl/base/thread_annotations.h>
#include <cstdint>
#include <functional>
#include <span>
#include <thread>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/wake/event_fd.h>

namespace muster::vmm {

// Carries a file descriptor's bytes to a device, on a thread of its own that sleeps while there are
// none or the device has no room. The descriptor stays its owner's, its flags and, where it is a
// terminal, the terminal's state as they were: lines arrive as the terminal edits them.
class InputFd {
 public:
  struct Callbacks {
    // Takes as many bytes as the device has room for, and returns how many.
    std::function<size_t(std::span<const uint8_t>)> receive;
    // There will be no more.
    std::function<void()> ended;
  };

  // `fd` -1: no input at all.
  explicit InputFd(int fd);
  ~InputFd();

  void Start(Callbacks callbacks);
  // Joins the thread.
  void Stop();

  // The device may have room again. Any thread.
  void Room();

  // How often the thread has woken.
  uint64_t wake_ups() const { return wake_ups_.Load(std::memory_order_relaxed); }

  // Whether bytes may still come.
  bool open() const {
    // Acquire: what came before the end has been received.
    return open_.Load(std::memory_order_acquire);
  }

 private:
  void Main();
  // False when there is nothing to wait for any more.
  bool WaitReadable();
  bool WaitForRoom() ABSL_LOCKS_EXCLUDED(mutex_);

  const int fd_;
  EventFd stopping_;  // readable for good after Stop
  Callbacks callbacks_;
  std::thread thread_;
  sync::Atomic<bool> open_;
  sync::Atomic<uint64_t> wake_ups_{0};  // relaxed: a statistic
  sync::Mutex mutex_;
  sync::CondVar changed_;
  bool room_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace muster::vmm
