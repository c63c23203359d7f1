#pragma once

namespace muster::vcpu {

class VmCore;

// A thread's stay in a callback of Devices: calls of the same Vm come from that vCPU meanwhile.
class Serving {
 public:
  Serving(const VmCore& vm, int cpu);
  ~Serving();

  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;

  // The vCPU of `vm` that the calling thread serves, innermost first; kOutside where there is none.
  static int CpuOf(const VmCore& vm);

 private:
  const VmCore& vm_;
  const int cpu_;
  const Serving* const outer_;
};

}  // namespace muster::vcpu
