#include <muster/vmm/device/irq_line.h>

namespace muster::vmm {

void IrqLine::Want(bool asserted) {
  sync::MutexLock lock(mutex_);
  const bool last = driven_ != (changes_ % 2 == 1);
  if (asserted != last) ++changes_;
}

void IrqLine::Drive() {
  for (;;) {
    bool level = false;
    {
      sync::MutexLock lock(mutex_);
      if (driving_ || changes_ == 0) return;
      driving_ = true;
      --changes_;
      level = driven_ = !driven_;
    }
    sink_.SetLine(line_, level);
    sync::MutexLock lock(mutex_);
    driving_ = false;
  }
}

}  // namespace muster::vmm
