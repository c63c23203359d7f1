#pragma once

#include <cstdint>
#include <sys/eventfd.h>
#include <unistd.h>

#include <muster/vcpu/kvm/fd.h>

namespace muster::vmm {

// A descriptor that one thread makes readable and another waits on, together with others.
class EventFd {
 public:
  EventFd() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  int fd() const { return fd_.get(); }

  // Readable until cleared.
  void Signal() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(fd(), &one, sizeof(one));
  }
  // Whether it was readable.
  bool Clear() {
    uint64_t count = 0;
    return read(fd(), &count, sizeof(count)) == sizeof(count);
  }

 private:
  const vcpu::Fd fd_;
};

}  // namespace muster::vmm
