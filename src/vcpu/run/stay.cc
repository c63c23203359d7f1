#include <fmt/format.h>

#include <muster/vcpu/run/stay.h>
#include <muster/vcpu/run/vcpu_core.h>
#include <muster/vcpu/run/vm_core.h>

namespace muster::vcpu {
namespace {

// The mark of a thread inside Run(Devices&), also where a callback throws.
class Mark {
 public:
  explicit Mark(sync::Atomic<bool>& flag)
      // Acquire and release: what an earlier thread's callbacks did is seen by this one's.
      : flag_(flag), made_(!flag.Exchange(true, std::memory_order_acquire)) {}
  ~Mark() {
    if (made_) flag_.Store(false, std::memory_order_release);
  }
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;
  bool made() const { return made_; }

 private:
  sync::Atomic<bool>& flag_;
  const bool made_;
};

}  // namespace

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

Exit VcpuCore::Run(Vcpu& vcpu, Devices& devices) {
  Exit exit = StoppedExit{};
  const Mark mark(served_);
  if (!mark.made()) {
    exit = HostErrorExit{absl::FailedPreconditionError(
        fmt::format("vCPU {}: Run called while another Run is inside it", cpu_))};
    return exit;
  }
  for (;;) {
    RunOnce(exit);
    const Stay stay(vm_, cpu_, Stay::Where::kDevice);
    Devices::Then then = Devices::Then::kReturn;
    if (const auto* port = std::get_if<PortExit>(&exit)) {
      then = devices.Port(vcpu, *port);
    } else if (const auto* mmio = std::get_if<MmioExit>(&exit)) {
      then = devices.Mmio(vcpu, *mmio);
    } else if (const auto* msr = std::get_if<MsrExit>(&exit)) {
      then = devices.Msr(vcpu, *msr);
    }
    if (then == Devices::Then::kReturn) return exit;
  }
}

}  // namespace muster::vcpu
