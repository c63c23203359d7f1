#include <muster/vcpu/irq/fabric.h>
#include <muster/vcpu/run/stay.h>

namespace muster::vcpu {

constinit thread_local const Stay* Stay::innermost_ = nullptr;

const Stay* Stay::Of(const VmCore& vm) {
  const Stay* stay = innermost_;
  while (stay != nullptr && &stay->vm_ != &vm) stay = stay->outer_;
  return stay;
}

int Stay::DeviceOf(const VmCore& vm) {
  const Stay* const stay = Of(vm);
  return stay != nullptr && stay->where_ == Where::kDevice ? stay->cpu_ : kOutside;
}

}  // namespace muster::vcpu
