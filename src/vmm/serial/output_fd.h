#pragma once

#include <absl/base/thread_annotations.h>
#include <functional>
#include <string>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/device/byte_sink.h>
#include <muster/vmm/wake/event_fd.h>

namespace muster::vmm {

// A file descriptor as a sink. A reader that is slow makes the guest wait; one that is gone loses
// nothing but the output. The descriptor stays its owner's, and SIGPIPE is to be ignored.
class OutputFd : public ByteSink {
 public:
  // `failed` is called once, with the reason, at the first write that fails. No lock is held then.
  OutputFd(int fd, std::function<void(const std::string& why)> failed);

  void Write(std::span<const uint8_t> bytes) override;

  // From here on nobody waits for the reader: what can't be written at once is lost. Ends waits
  // that go on already.
  void Hurry();

 private:
  // False when the bytes are to be dropped.
  bool WaitWritable();

  const int fd_;
  EventFd hurry_;  // readable for good after Hurry
  const std::function<void(const std::string&)> failed_;
  sync::Mutex mutex_;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace muster::vmm
