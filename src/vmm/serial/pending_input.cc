#include <algorithm>

#include <muster/vmm/serial/pending_input.h>

namespace muster::vmm {

void PendingInput::Add(std::span<const uint8_t> bytes) {
  const auto kept = bytes.first(std::min(bytes.size(), room()));
  bytes_.insert(bytes_.end(), kept.begin(), kept.end());
}

void PendingInput::Deliver(const std::function<size_t(std::span<const uint8_t>)>& receive) {
  while (!bytes_.empty()) {
    // Before the device's lock is taken to look for room: whoever makes room after that finds it
    // set.
    wanted_.Store(true, std::memory_order_seq_cst);
    const size_t taken = receive(bytes_);
    if (taken == 0) return;
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(taken));
  }
  wanted_.Store(false, std::memory_order_seq_cst);
}

}  // namespace muster::vmm
