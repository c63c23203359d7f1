#pragma once

#include <muster/vmm/machine/ending.h>

namespace muster::vmm {

// What a device may ask of the machine. Any thread, no device's lock held.
class RunControl {
 public:
  virtual ~RunControl() = default;

  // Ends the run; the first call decides how.
  virtual void End(Ending ending) = 0;

  // INIT to all processors, as a PC's chipset asserts it: memory stays, the bootstrap processor
  // goes to the reset vector, the others wait for SIPI.
  virtual void SoftReset() = 0;
};

}  // namespace muster::vmm
