#pragma once

#include <cstdint>
#include <optional>

namespace muster::vmm {

// One of the three counters of an 8254 interval timer (Intel's data sheet of that name), no lock
// and no clock: `now` is a number of clock ticks, from any origin.
class I8254Counter {
 public:
  explicit I8254Counter(bool gate) : gate_(gate) {}

  // A control word's bits 5:0 for this counter: access, mode, BCD.
  void SetControl(uint8_t control, uint64_t now);
  // A byte of the count, as the control word says.
  void Write(uint8_t value, uint64_t now);
  uint8_t Read(uint64_t now);
  // What the next reads give: the count, the status, or both, the status first. One that is latched
  // already stays as it is.
  void LatchCount(uint64_t now);
  void LatchStatus(uint64_t now);

  void SetGate(bool high, uint64_t now);

  bool Out(uint64_t now);
  // When OUT rises next, after `now`. For a counter whose gate is high.
  std::optional<uint64_t> NextRise(uint64_t now);
  // OUT is high but for a single tick, or half the time, again and again.
  bool periodic() const { return mode_ == 2 || mode_ == 3; }

 private:
  bool counting() const { return running_; }
  // Ticks since the count that is counted down was loaded.
  uint64_t Elapsed(uint64_t now) const { return stopped_ ? *stopped_ : now - since_; }
  void Load(uint16_t value, uint64_t now);
  void Begin(uint64_t at);
  // Takes up a count that was to begin with the period that has begun.
  void CatchUp(uint64_t now);
  uint16_t Value(uint64_t now);
  uint8_t Status(uint64_t now);

  uint8_t control_ = 0x30;  // low and high byte, mode 0
  uint8_t mode_ = 0;
  bool bcd_ = false;
  bool gate_;

  uint32_t count_ = 0;   // as written, 1 to 65,536
  uint32_t active_ = 0;  // that is counted down
  bool loaded_ = false;  // there is a count
  bool running_ = false;
  uint64_t since_ = 0;
  std::optional<uint64_t> stopped_;    // elapsed, where the gate holds the counter
  std::optional<uint64_t> switch_at_;  // count_ becomes active_ then

  std::optional<uint8_t> low_;  // written, the high byte is to come
  bool high_next_ = false;      // the next read gives the high byte
  std::optional<uint16_t> latched_;
  std::optional<uint8_t> latched_status_;
};

}  // namespace muster::vmm
