#pragma once

#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace muster::vcpu {

// Owns one file descriptor.
class Fd {
 public:
  // Owns none.
  Fd() = default;
  // Closes `fd` in the end; a negative one is none.
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { Reset(); }

  // What is moved from owns none.
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  // Closes what it owned.
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }

  // Another descriptor of the same file; none, with errno, where there are too many.
  Fd Duplicate() const { return Fd(fcntl(fd_, F_DUPFD_CLOEXEC, 0)); }

  // Whether it owns one.
  bool valid() const { return fd_ >= 0; }
  // Stays owned; -1 where there is none.
  int get() const { return fd_; }

 private:
  void Reset() {
    if (valid()) close(fd_);
  }

  int fd_ = -1;
};

}  // namespace muster::vcpu
