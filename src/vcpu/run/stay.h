#pragma once

namespace muster::vcpu {

class VmCore;

// What a thread is in the middle of while user code is called on it: the run loop of a vCPU, or the
// service of an exit of it. Nests, also for several Vms.
class Stay {
 public:
  enum class Where : unsigned char {
    kLoop,    // it has the run lock; Clock, Logger and the like are called
    kDevice,  // a callback of Devices: calls of the same Vm come from that vCPU
  };

  Stay(const VmCore& vm, int cpu, Where where);
  ~Stay();

  Stay(const Stay&) = delete;
  Stay& operator=(const Stay&) = delete;

  int cpu() const { return cpu_; }
  Where where() const { return where_; }

  // The calling thread's innermost in `vm`, or null.
  static const Stay* Of(const VmCore& vm);
  // The vCPU of `vm` whose device the calling thread serves; else kOutside.
  static int DeviceOf(const VmCore& vm);

 private:
  const VmCore& vm_;
  const int cpu_;
  const Where where_;
  const Stay* const outer_;
};

}  // namespace muster::vcpu
