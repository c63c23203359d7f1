#pragma once

#include <absl/base/thread_annotations.h>
#include <functional>
#include <vector>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/device/byte_sink.h>

namespace muster::vmm {

// Gathers what one device puts out byte by byte and passes it on by the line, so that lines of two
// devices don't mix and a line costs one system call.
class LineBuffer {
 public:
  static constexpr size_t kLongestLine = 1024;

  // `unfinished` is called, with no lock held, when a line has begun that is not passed on yet; the
  // callee sees to a Flush before long. `sink` outlives this.
  LineBuffer(ByteSink& sink, std::function<void()> unfinished);

  void Put(uint8_t byte);
  void Flush();

 private:
  void PassOn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  ByteSink& sink_;
  const std::function<void()> unfinished_;
  // Held while the sink writes: two lines of this device can't overtake each other.
  sync::Mutex mutex_;
  std::vector<uint8_t> line_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace muster::vmm
