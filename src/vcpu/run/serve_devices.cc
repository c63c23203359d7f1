// Run with Devices: a thread that stays inside and has its exits served by callbacks.

#include <fmt/format.h>

#include <muster/vcpu/run/stay.h>
#include <muster/vcpu/run/vcpu_core.h>
#include <muster/vcpu/run/vm_core.h>

namespace muster::vcpu {
namespace {

// Set while a thread is inside Run(Devices&), also where a callback throws.
class ServedFlag {
 public:
  explicit ServedFlag(sync::Atomic<bool>& flag)
      // Acquire and release: what an earlier thread's callbacks did is seen by this one's.
      : flag_(flag), set_(!flag.Exchange(true, std::memory_order_acquire)) {}
  ~ServedFlag() {
    if (set_) flag_.Store(false, std::memory_order_release);
  }
  ServedFlag(const ServedFlag&) = delete;
  ServedFlag& operator=(const ServedFlag&) = delete;
  bool set() const { return set_; }

 private:
  sync::Atomic<bool>& flag_;
  const bool set_;
};

}  // namespace

Exit VcpuCore::Run(Vcpu& vcpu, Devices& devices) {
  Exit exit = StoppedExit{};
  const ServedFlag flag(served_);
  if (!flag.set()) {
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
