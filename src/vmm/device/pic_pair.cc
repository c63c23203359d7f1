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

uint8_t PicPair::ReadChip(bool slave, bool odd_port) {
  return Apply([=, this](Done& done) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    I8259& of = chip(slave);
    (slave ? done.slave_acknowledged : done.master_acknowledged) = of.polled();
    done.value = of.Read(odd_port);
  });
}

void PicPair::WriteChip(bool slave, bool odd_port, uint8_t value) {
  Apply([=, this](Done&)
            ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { chip(slave).Write(odd_port, value); });
}

uint8_t PicPair::ReadElcr(bool slave) {
  sync::MutexLock lock(mutex_);
  return chip(slave).elcr();
}

void PicPair::WriteElcr(bool slave, uint8_t value) {
  Apply([=, this](Done&) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { chip(slave).SetElcr(value); });
}

}  // namespace muster::vmm
