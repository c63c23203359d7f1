#pragma once

#include <muster/vmm/device/irq_line.h>
#include <muster/vmm/device/pic_pair.h>

namespace muster::vmm {

// The interrupt lines of a PC's board: each to the 8259s and to the pin of the I/O APIC with its
// number, but for IRQ 0, the timer's, which is on pin 2. From 16 on there are pins alone.
class IsaLines : public IrqSink {
 public:
  IsaLines(PicPair& pics, IrqSink& pins) : pics_(pics), pins_(pins) {}

  void SetLine(unsigned line, bool asserted) override {
    pics_.SetLine(line, asserted);
    pins_.SetLine(PinOf(line), asserted);
  }
  void Pulse(unsigned line) override {
    pics_.Pulse(line);
    pins_.Pulse(PinOf(line));
  }

 private:
  static unsigned PinOf(unsigned line) { return line == 0 ? 2 : line; }

  PicPair& pics_;
  IrqSink& pins_;
};

}  // namespace muster::vmm
