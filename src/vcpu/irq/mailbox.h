#pragma once

#include <array>
#include <cstdint>

#include <muster/apic/message.h>
#include <muster/rendezvous/sync.h>

namespace muster::vcpu {

// Fixed interrupts on their way to one vCPU: the request bitmap of hardware's posted-interrupt
// descriptor (SDM "Posted-Interrupt Processing"), with the trigger mode in the same word as the
// request so that no reader can see one without the other. Any thread posts; the holder of the
// vCPU's run lock drains. Lock-free.
class Mailbox {
 public:
  // True when this vector was not posted already with this trigger mode. The caller rings the
  // vCPU's doorbell afterwards, either way.
  bool Post(uint8_t vector, apic::TriggerMode trigger) {
    const uint64_t bit = Bit(vector, trigger);
    // Release: what the sender wrote before the IPI is visible to the vCPU that takes it.
    return (words_[vector / 32].FetchOr(bit, std::memory_order_release) & bit) == 0;
  }

  // Calls deliver(vector, trigger) for each posted vector, highest first, and empties the box.
  template <typename Deliver>
  void Drain(Deliver&& deliver) {
    for (int i = kWords - 1; i >= 0; --i) {
      // Relaxed: a hint that spares the exchange. The poster rings the doorbell after its
      // fetch_or, and the owner took the ring with a seq_cst read-modify-write before it came
      // here, so a post whose ring was seen is visible; one that is missed has its ring yet to
      // come.
      if (words_[i].Load(std::memory_order_relaxed) == 0) continue;
      const uint64_t word = words_[i].Exchange(0, std::memory_order_acquire);
      for (uint32_t rest = static_cast<uint32_t>(word | (word >> 32)); rest != 0;) {
        const int bit = 31 - __builtin_clz(rest);
        rest &= ~(uint32_t{1} << bit);
        // Posted both ways: one IRR bit results, and the I/O APIC that waits for the EOI of the
        // level message must get it.
        const bool level = ((word >> (32 + bit)) & 1) != 0;
        deliver(static_cast<uint8_t>(i * 32 + bit),
                level ? apic::TriggerMode::kLevel : apic::TriggerMode::kEdge);
      }
    }
  }

  // Calls see(vector) for what is posted now; for reports, by any thread.
  template <typename See>
  void Peek(See&& see) const {
    for (int vector = 0; vector < 256; ++vector) {
      // Relaxed: a report of something that moves; nothing is decided by it.
      const uint64_t word = words_[vector / 32].Load(std::memory_order_relaxed);
      if (((word | (word >> 32)) >> (vector % 32)) & 1) see(static_cast<uint8_t>(vector));
    }
  }

 private:
  static constexpr int kWords = 8;

  // Bits 31:0 of word k are the edge requests of vectors 32k to 32k+31, bits 63:32 the level ones.
  static constexpr uint64_t Bit(uint8_t vector, apic::TriggerMode trigger) {
    return uint64_t{1} << (vector % 32 + (trigger == apic::TriggerMode::kLevel ? 32 : 0));
  }

  std::array<sync::Atomic<uint64_t>, kWords> words_;
};

}  // namespace muster::vcpu
