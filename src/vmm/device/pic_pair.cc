#include <type_traits>

#include <muster/vmm/device/pic_pair.h>

namespace muster::vmm {
namespace {

// What a change has done.
struct Done {
  uint8_t value = 0;
  bool master_acknowledged = false, slave_acknowledged = false;
};

}  // namespace

template <typename Change>
auto PicPair::Apply(Change&& change) {
  Done done;
  bool rises = false;
  {
    sync::MutexLock lock(mutex_);
    change(done);
    Cascade(done.slave_acknowledged);
    const bool was = asserted_.load(std::memory_order_relaxed);  // written under this lock
    const bool is = master_.Pending().has_value();
    asserted_.store(is, std::memory_order_release);
    rises = is && !was;
    // An acknowledged INT falls, if only for a moment: pins of the I/O APIC know edges.
    if (done.master_acknowledged) intr_pin_.Want(false);
    intr_pin_.Want(is);
  }
  intr_pin_.Drive();
  if (rises) pins_.IntrRaised();
  return done.value;
}

void PicPair::Cascade(bool acknowledged) {
  if (acknowledged) master_.SetInput(kCascade, false);
  master_.SetInput(kCascade, slave_.Pending().has_value());
}

void PicPair::AsFirmwareLeaves() {
  Apply([this](Done&) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    master_.AsFirmwareLeaves(0x08);
    slave_.AsFirmwareLeaves(0x70);
  });
}

void PicPair::SetLine(unsigned irq, bool asserted) {
  if (irq >= kLines || irq == kCascade) return;
  Apply([=, this](Done&) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    chip(irq >= I8259::kInputs).SetInput(irq % I8259::kInputs, asserted);
  });
}

void PicPair::Pulse(unsigned irq) {
  if (irq >= kLines || irq == kCascade) return;
  Apply([=, this](Done&) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    I8259& of = chip(irq >= I8259::kInputs);
    of.SetInput(irq % I8259::kInputs, false);
    of.SetInput(irq % I8259::kInputs, true);
  });
}

uint8_t PicPair::Acknowledge() {
  return Apply([this](Done& done) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const bool cascade = master_.Pending() == kCascade;
    const unsigned input = master_.Acknowledge();
    done.master_acknowledged = true;
    done.slave_acknowledged = cascade;
    done.value = cascade ? slave_.Vector(slave_.Acknowledge()) : master_.Vector(input);
  });
}

uint32_t PicPair::ChipPort::Read(uint16_t offset, int) {
  return pair_.Apply([=, this](Done& done) ABSL_EXCLUSIVE_LOCKS_REQUIRED(pair_.mutex_) {
    I8259& chip = pair_.chip(slave_);
    (slave_ ? done.slave_acknowledged : done.master_acknowledged) = chip.polled();
    done.value = chip.Read(offset != 0);
  });
}

void PicPair::ChipPort::Write(uint16_t offset, int, uint32_t value) {
  pair_.Apply([=, this](Done&) ABSL_EXCLUSIVE_LOCKS_REQUIRED(pair_.mutex_) {
    pair_.chip(slave_).Write(offset != 0, static_cast<uint8_t>(value));
  });
}

uint32_t PicPair::ElcrPort::Read(uint16_t offset, int) {
  sync::MutexLock lock(pair_.mutex_);
  return pair_.chip(offset != 0).elcr();
}

void PicPair::ElcrPort::Write(uint16_t offset, int, uint32_t value) {
  pair_.Apply([=, this](Done&) ABSL_EXCLUSIVE_LOCKS_REQUIRED(pair_.mutex_) {
    pair_.chip(offset != 0).SetElcr(static_cast<uint8_t>(value));
  });
}

}  // namespace muster::vmm
