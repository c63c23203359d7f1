#include <algorithm>

#include <muster/vmm/device/pit.h>

namespace muster::vmm {
namespace {

// 1,193,181.8 Hz: a third of NTSC's colour carrier, which is 315/88 MHz.
constexpr uint64_t kTicks = 13'125, kPerNs = 11'000'000;

constexpr uint16_t kControl = 3;
// 8254 data sheet, "Read-Back Command".
constexpr uint8_t kReadBack = 3, kKeepCount = 0x20, kKeepStatus = 0x10;

}  // namespace

uint64_t Pit::ToTicks(uint64_t ns) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(ns) * kTicks / kPerNs);
}

uint64_t Pit::ToNs(uint64_t ticks) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(ticks) * kPerNs + kTicks - 1) /
                               kTicks);
}

uint32_t Pit::Read(uint16_t offset, int) {
  if (offset == kControl) return 0xff;  // it is for writing
  sync::MutexLock lock(mutex_);
  return counters_[offset].Read(Ticks());
}

void Pit::Write(uint16_t offset, int, uint32_t value) {
  const auto byte = static_cast<uint8_t>(value);
  {
    sync::MutexLock lock(mutex_);
    const uint64_t now = Ticks();
    Rise(now);
    if (offset == kControl) {
      WriteControl(byte, now);
    } else {
      counters_[offset].Write(byte, now);
    }
    Expect(now);
  }
  irq_.Drive();
}

void Pit::WriteControl(uint8_t value, uint64_t now) {
  const unsigned which = value >> 6;
  if (which == kReadBack) {
    for (unsigned i = 0; i < counters_.size(); ++i) {
      if ((value >> (i + 1) & 1) == 0) continue;
      if ((value & kKeepCount) == 0) counters_[i].LatchCount(now);
      if ((value & kKeepStatus) == 0) counters_[i].LatchStatus(now);
    }
  } else if ((value & 0x30) == 0) {
    counters_[which].LatchCount(now);
  } else {
    counters_[which].SetControl(value & 0x3f, now);
    if (which == 0) rise_.reset();
  }
}

void Pit::Rise(uint64_t now) {
  if (!rise_ || now < *rise_) return;
  const uint64_t now_ns = timer_.NowNs();
  if (counters_[0].periodic() && now_ns < earliest_ns_) return;
  rise_.reset();
  earliest_ns_ = now_ns + kShortestNs;
  irq_.Want(false);
  irq_.Want(true);
}

void Pit::Expect(uint64_t now) {
  I8254Counter& counter = counters_[0];
  irq_.Want(counter.periodic() || counter.Out(now));
  // One that has passed, and comes too soon after the last, still stands.
  if (!rise_ || now < *rise_) rise_ = counter.NextRise(now);
  const uint64_t earliest_ns = counter.periodic() ? earliest_ns_ : 0;
  timer_.Arm(rise_ ? std::max(ToNs(*rise_), earliest_ns) : DeviceTimer::kNever);
}

void Pit::Expired() {
  {
    sync::MutexLock lock(mutex_);
    const uint64_t now = Ticks();
    rising_ = true;
    Rise(now);
    Expect(now);
  }
  irq_.Drive();
  sync::MutexLock lock(mutex_);
  rising_ = false;
}

bool Pit::MayInterrupt() {
  sync::MutexLock lock(mutex_);
  return rise_.has_value() || rising_;
}

void Pit::AsFirmwareLeaves() {
  {
    sync::MutexLock lock(mutex_);
    counters_ = {I8254Counter(true), I8254Counter(true), I8254Counter(false)};
    rise_.reset();
    Expect(Ticks());
  }
  irq_.Drive();
}

void Pit::SetSpeakerGate(bool high) {
  sync::MutexLock lock(mutex_);
  counters_[2].SetGate(high, Ticks());
}

bool Pit::SpeakerOut() {
  sync::MutexLock lock(mutex_);
  return counters_[2].Out(Ticks());
}

}  // namespace muster::vmm
