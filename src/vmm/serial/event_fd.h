#pragma once

#include <cstdint>
#include <sys/eventfd.h>
#include <unistd.h>

namespace muster::vmm {

// A descriptor that one thread makes readable and another waits on, together with others.
class EventFd {
 public:
  EventFd() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~EventFd() { close(fd_); }
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;

  int fd() const { return fd_; }

  // Readable until cleared.
  void Signal() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof(one));
  }
  void Clear() {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = read(fd_, &count, sizeof(count));
  }

 private:
  const int fd_;
};

}  // namespace muster::vmm
