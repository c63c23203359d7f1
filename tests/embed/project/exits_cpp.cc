// exits_cpp [each]: what an exit costs through the C++ interface. For each number on stdin runs so
// many OUTs and says on stdout how long one took, in us: to a callback, or, with "each", by a call
// of Run for each.
#include <csignal>
#include <cstdio>

#include "small_vm.h"

using namespace muster;

namespace {

struct Counts : vcpu::Devices {
  Then Port(vcpu::Vcpu&, const vcpu::PortExit&) override {
    return --left == 0 ? Then::kReturn : Then::kGoOn;
  }
  int left = 0;
};

}  // namespace

int main(int argc, char**) {
  const bool each = argc > 1;
  sigset_t kick;
  sigemptyset(&kick);
  sigaddset(&kick, SIGUSR1);
  sigprocmask(SIG_BLOCK, &kick, nullptr);
  SmallVm vm(OUT_FOR_EVER, {.kick_stays_blocked = true, .x2apic = true});
  vcpu::StartState start;
  start.mode = vcpu::StartState::Mode::kReal;
  start.rip = SmallVm::kCode;
  CHECK(vm->SetStart(start).ok());
  StillClock clock;
  Counts counts;
  for (int exits; std::scanf("%d", &exits) == 1 && exits > 0;) {
    counts.left = exits;
    const uint64_t begin = clock.NowNs();
    if (each) {
      for (; counts.left > 0; --counts.left) {
        CHECK(std::holds_alternative<vcpu::PortExit>(vm.cpu(0).Run()));
      }
    } else {
      CHECK(std::holds_alternative<vcpu::PortExit>(vm.cpu(0).Run(counts)));
    }
    const uint64_t end = clock.NowNs();
    std::printf("%.6f\n", static_cast<double>(end - begin) / 1000 / exits);
    std::fflush(stdout);
  }
  return 0;
}
