#include <utility>

#include <muster/vmm/device/line_buffer.h>

namespace muster::vmm {

LineBuffer::LineBuffer(ByteSink& sink, std::function<void()> unfinished)
    : sink_(sink), unfinished_(std::move(unfinished)) {}

void LineBuffer::Put(uint8_t byte) {
  bool begun = false;
  {
    sync::MutexLock lock(mutex_);
    begun = line_.empty();
    line_.push_back(byte);
    if (byte == '\n' || line_.size() >= kLongestLine) {
      PassOn();
      begun = false;
    }
  }
  if (begun) unfinished_();
}

void LineBuffer::Flush() {
  sync::MutexLock lock(mutex_);
  if (!line_.empty()) PassOn();
}

void LineBuffer::PassOn() {
  sink_.Write(line_);
  line_.clear();
}

}  // namespace muster::vmm
