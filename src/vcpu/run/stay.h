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

  // Inline, both: one is made for every exit.
  Stay(const VmCore& vm, int cpu, Where where)
      : vm_(vm), cpu_(cpu), where_(where), outer_(innermost_) {
    innermost_ = this;
  }
  ~Stay() { innermost_ = outer_; }

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
  const Stay* const outer_;  // a callback may run a vCPU of another Vm
  static constinit thread_local const Stay* innermost_;
};

}  // namespace muster::vcpu
