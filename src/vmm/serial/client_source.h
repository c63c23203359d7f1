#pragma once

namespace muster::vmm {

// Where clients of the guest's serial line come from, one at a time. One thread's own.
class ClientSource {
 public:
  virtual ~ClientSource() = default;

  // Readable when a client may have come.
  virtual int fd() const = 0;
  // The client that has come, as a descriptor that never blocks; kNobody where there is none, or
  // kNotNow where the host has no descriptor or memory left for one, who stays and is announced.
  static constexpr int kNobody = -1, kNotNow = -2;
  virtual int Take() = 0;
  // The client that Take gave has gone.
  virtual void Gone(int client) = 0;

  // Waits until the client has read what it was sent, where that would be lost else, but not for
  // long, and not once `hurry_fd` is readable.
  virtual void Drain(int client, int hurry_fd) = 0;
};

}  // namespace muster::vmm
