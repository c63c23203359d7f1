#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <muster/rendezvous/sync.h>

namespace muster::vcpu::capi {

// Things behind handles that are never dereferenced. A handle is the address of a slot, and in the
// upper 16 bits, which are no address's, the generation of what is in it. Slots are used again and
// never freed; one whose last generation has been is not used again. So a handle of a thing that is
// gone is told from every other, for as long as the process lives.
template <typename Thing>
class TaggedSlots {
  struct Slot;

 public:
  // A hold on the thing of a handle: it is not taken out meanwhile.
  class Held {
   public:
    explicit Held(uint64_t handle) {
      Slot* const slot = SlotOf(handle);
      if (slot == nullptr) return;
      // Acquire, here and below: what the slot holds was put in before the release in Put.
      uint64_t word = slot->word.Load(std::memory_order_acquire);
      while (Names(handle, word)) {
        if (slot->word.CompareExchange(word, word + 1, std::memory_order_acquire,
                                       std::memory_order_acquire)) {
          slot_ = slot;
          return;
        }
      }
    }
    ~Held() {
      // Release: what was done in this hold comes before the thing is taken out.
      if (slot_ != nullptr) slot_->word.FetchSub(1, std::memory_order_release);
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    Thing* get() const { return slot_ != nullptr ? slot_->thing.get() : nullptr; }  // null: gone

   private:
    Slot* slot_ = nullptr;
  };

  uint64_t Put(std::unique_ptr<Thing> thing) ABSL_LOCKS_EXCLUDED(mutex_) {
    Slot* slot;
    {
      sync::MutexLock lock(mutex_);
      slot = free_;
      if (slot != nullptr) free_ = slot->next;
    }
    if (slot == nullptr) slot = Make();
    slot->thing = std::move(thing);
    // Relaxed: whoever freed it did so before the mutex above.
    const uint64_t tag = slot->word.Load(std::memory_order_relaxed);
    slot->word.Store(tag | kTaken, std::memory_order_release);
    return reinterpret_cast<uint64_t>(slot) | tag;
  }

  // Takes out the thing of `handle`. Null where it is gone, or is held: `holds` says how often.
  std::unique_ptr<Thing> Take(uint64_t handle, uint64_t& holds) ABSL_LOCKS_EXCLUDED(mutex_) {
    holds = 0;
    Slot* const slot = SlotOf(handle);
    if (slot == nullptr) return nullptr;
    uint64_t word = slot->word.Load(std::memory_order_acquire);
    uint64_t next;
    do {
      if (!Names(handle, word)) return nullptr;
      holds = word & kHolds;
      if (holds != 0) return nullptr;
      // After the last it is 0, which no handle has: one is no address that could be used.
      next = ((word >> kGenerationShift) + 1) << kGenerationShift;
    } while (!slot->word.CompareExchange(word, next, std::memory_order_acq_rel,
                                         std::memory_order_acquire));
    std::unique_ptr<Thing> thing = std::move(slot->thing);
    sync::MutexLock lock(mutex_);
    Slot*& list = next != 0 ? free_ : used_up_;
    slot->next = list;
    list = slot;
    return thing;
  }

 private:
  static constexpr int kGenerationShift = 48;
  static constexpr uint64_t kAddress = (uint64_t{1} << kGenerationShift) - 1;
  static constexpr uint64_t kTaken = uint64_t{1} << 32;
  static constexpr uint64_t kHolds = kTaken - 1;

  struct Slot {
    // 63:48 the generation of the thing that is in, or next to be; 32 one is in; 31:0 its holds.
    sync::Atomic<uint64_t> word{uint64_t{1} << kGenerationShift};
    std::unique_ptr<Thing> thing;
    Slot* next = nullptr;         // in its list
    Slot* made_before = nullptr;  // for LeakSanitizer, to which a handle is no pointer
  };

  Slot* Make() ABSL_LOCKS_EXCLUDED(mutex_) {
    Slot* const slot = new Slot;
    sync::MutexLock lock(mutex_);
    slot->made_before = std::exchange(newest_, slot);
    return slot;
  }

  static Slot* SlotOf(uint64_t handle) { return reinterpret_cast<Slot*>(handle & kAddress); }
  static bool Names(uint64_t handle, uint64_t word) {
    return (word & kTaken) != 0 && word >> kGenerationShift == handle >> kGenerationShift;
  }

  sync::Mutex mutex_;
  Slot* newest_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Slot* free_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Slot* used_up_ ABSL_GUARDED_BY(mutex_) = nullptr;  // old handles still lead there
};

}  // namespace muster::vcpu::capi
