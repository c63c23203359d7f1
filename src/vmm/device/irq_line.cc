#include <muster/vmm/device/irq_line.h>

namespace muster::vmm {

void IrqLine::Want(bool asserted) {
  sync::MutexLock lock(mutex_);
  const bool last = driven_ != (changes_ % 2 == 1);
  if (asserted != last) ++changes_;
}

void IrqLine::Drive() {
  for (;;) {
    bool level = false, pulse = false;
    {
      sync::MutexLock lock(mutex_);
      if (driving_ || changes_ == 0) return;
      driving_ = true;
      pulse = driven_ && changes_ >= 2;
      changes_ -= pulse ? 2 : 1;
      if (!pulse) level = driven_ = !driven_;
    }
    if (pulse) {
      sink_.Pulse(line_);
    } else {
      sink_.SetLine(line_, level);
    }
    sync::MutexLock lock(mutex_);
    driving_ = false;
  }
}

}  // namespace muster::vmm
