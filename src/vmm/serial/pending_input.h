#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <muster/rendezvous/sync.h>

namespace muster::vmm {

// Bytes that have been read and that the device has no room for yet. One thread's own, but for
// `wanted`.
class PendingInput {
 public:
  static constexpr size_t kMost = 4096;

  bool empty() const { return bytes_.empty(); }
  size_t room() const { return kMost - bytes_.size(); }

  // What there is no room for is lost.
  void Add(std::span<const uint8_t> bytes);

  // Passes on as much as `receive` takes: it returns how many bytes that was.
  void Deliver(const std::function<size_t(std::span<const uint8_t>)>& receive);

  // Whether bytes wait, so that room for them is news. Any thread.
  bool wanted() const { return wanted_.Load(std::memory_order_seq_cst); }

 private:
  std::vector<uint8_t> bytes_;
  sync::Atomic<bool> wanted_{false};
};

}  // namespace muster::vmm
