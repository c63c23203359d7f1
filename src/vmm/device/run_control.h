#pragma once

#include <muster/vmm/machine/ending.h>

namespace muster::vmm {

// What a device may ask of the machine.
class RunControl {
 public:
  virtual ~RunControl() = default;

  // Ends the run; the first call decides how. Any thread, no device's lock held.
  virtual void End(Ending ending) = 0;
};

}  // namespace muster::vmm
