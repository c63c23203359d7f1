#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace muster::vcpu {

// `a` and `b` by kind.
enum class EventKind : uint16_t {
  kExit,    // a: KVM exit reason; b: port, address or MSR
  kPost,    // a: vector, Origin::Kind << 8, pin << 16, kPostedExtInt; b: target
  kInject,  // a: vector
  kNmi,     // -
  kEoi,     // a: vector
  kMeet,    // -
  kState,   // a: old RunState; b: new
  kTimer,   // a: vector; the APIC timer has expired
  kInit,    // -
  kSipi,    // a: vector
  kExtInt,  // a: vector, as the 8259 gave it; injected
};

// Of a kPost: an ExtINT message, which has no vector.
inline constexpr uint64_t kPostedExtInt = uint64_t{1} << 24;

// In a word, for a person.
const char* ToString(EventKind kind);

// What happened to a vCPU, and when.
struct Event {
  uint64_t ns;  // by the VM's Clock
  EventKind kind;
  uint16_t reserved;
  int32_t cpu;
  uint64_t a;
  uint64_t b;
  uint64_t rip = 0;  // where the vCPU had last left the guest; 0: not known
};
static_assert(sizeof(Event) == 40);

// One line: time, vCPU, kind, and the words that the kind defines.
std::string ToString(const Event& event);

// The last events of one vCPU. Written, and copied, by the holder of that vCPU's run lock alone,
// hence no atomics. With capacity 0 nothing is recorded, at the price of one predictable branch.
class EventRing {
 public:
  // `capacity` in events, rounded up to a power of two.
  explicit EventRing(size_t capacity = 0);

  // Whether anything is recorded.
  bool enabled() const { return slots_ != nullptr; }

  // The parts of an Event, which takes the place of the oldest where there is no room.
  void Record(uint64_t ns, EventKind kind, int cpu, uint64_t a = 0, uint64_t b = 0,
              uint64_t rip = 0) {
    if (!enabled()) return;
    slots_[next_++ & mask_] = Event{ns, kind, 0, cpu, a, b, rip};
  }

  // How many were recorded ever, those overwritten since included.
  uint64_t recorded() const { return next_; }

  // Those still held, oldest first; of more than `most` the newest.
  std::vector<Event> Snapshot(uint64_t most = UINT64_MAX) const;

 private:
  uint64_t mask_ = 0;
  uint64_t next_ = 0;
  std::unique_ptr<Event[]> slots_;
};

}  // namespace muster::vcpu
