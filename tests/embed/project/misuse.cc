// Misuse of the C++ interface: an error that says what and where, and nothing else happens.
#include <thread>

#include "small_vm.h"

using namespace muster;

namespace {

// Two threads in one vCPU: the second is refused, whether the first is in the guest or in a
// callback.
void TwoThreadsInOneVcpu() {
  struct Blocks : vcpu::Devices {
    Then Port(vcpu::Vcpu&, const vcpu::PortExit&) override {
      entered = true;
      entered.notify_all();
      go_on.wait(false);
      return Then::kReturn;
    }
    std::atomic<bool> entered{false}, go_on{false};
  } blocks;
  SmallVm vm(OUT_FOR_EVER);
  std::thread first([&] { CHECK(std::holds_alternative<vcpu::PortExit>(vm.cpu(0).Run(blocks))); });
  blocks.entered.wait(false);
  CHECK_ERROR(ErrorOf(vm.cpu(0).Run()), IsFailedPrecondition, "vCPU 0", "callback");
  CHECK_ERROR(ErrorOf(vm.cpu(0).Run(blocks)), IsFailedPrecondition, "vCPU 0", "another Run");
  blocks.go_on = true;
  blocks.go_on.notify_all();
  first.join();

  SmallVm spins({0xeb, 0xfe});
  std::thread inside([&] { CHECK(std::holds_alternative<vcpu::StoppedExit>(spins.cpu(0).Run())); });
  // Which of the two is inside first is not known: the other is refused.
  for (bool refused = false; !refused;) {
    std::this_thread::yield();
    const absl::StatusOr<vcpu::Pause> pause = spins->Pause(10'000'000'000);
    if (!pause.ok()) continue;
    CHECK_ERROR(ErrorOf(spins.cpu(0).Run()), IsFailedPrecondition, "vCPU 0", "another thread");
    CHECK_ERROR(spins.cpu(0).SetLine(1, true), IsFailedPrecondition, "vCPU 0", "another thread");
    refused = true;
  }
  spins->Stop();
  inside.join();
}

void LinesAndIds() {
  SmallVm vm(OUT_FOR_EVER, {.cpus = 2, .max_cpus = 3, .ioapic = {.id = 0, .pins = 16}});
  CHECK_ERROR(vm->SetLine(16, true), IsInvalidArgument, "line 16", "0 to 15");
  CHECK_ERROR(vm.cpu(0).SetLine(999, true), IsInvalidArgument, "line 999", "0 to 15");
  CHECK_ERROR(vm->AddVcpu(1), IsAlreadyExists, "vCPU 1", "there");
  CHECK(vm->AddVcpu(2).ok());
  CHECK_ERROR(vm->AddVcpu(2), IsAlreadyExists, "vCPU 2", "there");
  CHECK_ERROR(vm->AddVcpu(3), IsInvalidArgument, "vCPU 3", "max_cpus");
  CHECK_ERROR(vm->AddVcpu(-1), IsInvalidArgument, "vCPU -1", "max_cpus");
  CHECK_ERROR(vm->RemoveVcpu(0), IsInvalidArgument, "vCPU 0", "bootstrap");
  CHECK(vm->RemoveVcpu(2).ok());
  CHECK_ERROR(vm->RemoveVcpu(2), IsNotFound, "vCPU 2", "not there");
  CHECK_ERROR(vm->RemoveVcpu(12), IsNotFound, "vCPU 12", "not there");
  const vcpu::Exit gone = vm.cpu(2).Run();
  CHECK(std::holds_alternative<vcpu::StoppedExit>(gone));
  CHECK(std::get<vcpu::StoppedExit>(gone).removed);
  CHECK_ERROR(vm.cpu(2).Hold(), IsNotFound, "vCPU 2", "removed");
  CHECK_ERROR(vm->SendMsi({.address = 0xfec00000}), IsInvalidArgument, "fec00000", "fee00000");
  CHECK_ERROR(vm.cpu(1).StartAgain({}), IsInvalidArgument, "vCPU 1", "bootstrap");
  vm->Stop();
  CHECK_ERROR(vm->AddVcpu(2), IsFailedPrecondition, "vCPU 2", "stopped");
}

void Descriptors() {
  CHECK_ERROR(vcpu::System::Adopt(-1).status(), IsFailedPrecondition, "descriptor -1", "errno 9");
  CHECK_ERROR(vcpu::System::Adopt(0).status(), IsFailedPrecondition, "descriptor 0", "not KVM");
  StillClock clock;
  CHECK_ERROR(vcpu::Vm::Create(Kvm(), {.vm_fd = 0}, clock).status(), IsInvalidArgument,
              "descriptor 0", "no VM");
  CHECK_ERROR(vcpu::Vm::Create(Kvm(), {.vm_fd = Kvm().fd()}, clock).status(), IsInvalidArgument,
              "descriptor", "no VM");
  CHECK_ERROR(vcpu::Vm::Create(Kvm(), {.cpus = 1, .max_cpus = 5000}, clock).status(),
              IsInvalidArgument, "5000 vCPUs", "1 to");
  CHECK_ERROR(vcpu::Vm::Create(Kvm(), {.cpus = 0, .max_cpus = 4}, clock).status(),
              IsInvalidArgument, "0 vCPUs", "1 to");
}

}  // namespace

int main() {
  (void)Kvm();
  TwoThreadsInOneVcpu();
  LinesAndIds();
  Descriptors();
  return 0;
}
