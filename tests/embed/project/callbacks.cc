// Every callback calls back in, through everything that a Vm has. What would wait for the very
// thread that calls is refused; nothing waits, and the guest gets through.
#include <optional>
#include <thread>
#include <vector>

#include "small_vm.h"

using namespace muster;
using vcpu::Vm;

namespace {

class Everything : public vcpu::Devices,
                   public StillClock,
                   public vcpu::Logger,
                   public Vm::IdleObserver {
 public:
  // From a callback of a device, messages come from its vCPU, INIT and SIPI too. From the others
  // the thread may be anywhere in the run loop.
  enum class From { kDevice, kLoop };

  void CallBackIn(From from) {
    thread_local bool inside = false;  // or each call would make calls
    // Once it has been stopped there is no telling who is still inside Run.
    if (vm == nullptr || inside || stopped) return;
    inside = true;
    // A fixed interrupt to nobody, an NMI to a CPU that waits for SIPI; a line; an MSI to nobody.
    CHECK(vm->SendMessage({.destination = 9, .vector = 0x40}).ok());
    CHECK(vm->SendMessage({.destination = 1, .delivery_mode = apic::DeliveryMode::kNmi}).ok());
    CHECK(vm->SetLine(3, true).ok() && vm->SetLine(3, false).ok());
    CHECK(vm->SendMsi({.address = 0xfee09000, .data = 0x40}).ok());
    vm->TimerExpired(1);
    vm->TimerExpired(7);
    CHECK(vm->IoApicState().pins() == 24);
    (void)vm->meeting_counters();
    (void)vm->OutsideEvents();
    CHECK(!vm->CanNeverRunAgain() || from == From::kLoop);
    int inspected = 0;
    for (const int cpu : {0, 1}) {
      const auto seen = vm->vcpu(cpu).Inspect();
      if (seen.ok()) {
        CHECK(seen->cpu == cpu);
        ++inspected;
      } else {  // the other's thread, maybe in a callback as well
        CHECK_ERROR(seen.status(), IsFailedPrecondition, "does not stand still", "inside Run");
      }
    }
    CHECK(inspected >= 1);
    (void)vm->InspectAll(0);  // who is in the loop is missing
    CHECK(vm->HasVcpu(1));
    if (from == From::kDevice) CHECK(vm->AddVcpu(2).ok() && vm->RemoveVcpu(2).ok());
    const auto pause = vm->Pause(0);
    CHECK_ERROR(pause.status(), IsFailedPrecondition, "Pause", "thread of vCPU");
    for (const bool with_devices : {false, true}) {
      const absl::Status run = ErrorOf(with_devices ? vm->vcpu(0).Run(*this) : vm->vcpu(0).Run());
      // Its own thread may have left meanwhile, for it has been stopped: then there is no error.
      if (!stopped) CHECK_ERROR(run, IsFailedPrecondition, "Run", "vCPU 0");
    }
    const absl::Status init =
        vm->SendMessage({.destination = 1, .delivery_mode = apic::DeliveryMode::kInit});
    if (from == From::kDevice) {
      CHECK(init.ok());
    } else {
      CHECK_ERROR(init, IsFailedPrecondition, "INIT", "inside Run");
    }
    inside = false;
  }

  Then Port(vcpu::Vcpu&, const vcpu::PortExit& exit) override {
    ++ports;
    CallBackIn(From::kDevice);
    return exit.port == 0x11 ? Then::kReturn : Then::kGoOn;
  }
  Then Mmio(vcpu::Vcpu&, const vcpu::MmioExit& exit) override {
    ++mmios;
    CHECK(exit.address == 0xd0000000 && exit.is_write);
    CallBackIn(From::kDevice);
    return Then::kGoOn;
  }
  Then Msr(vcpu::Vcpu&, const vcpu::MsrExit& exit) override {
    ++msrs;
    *exit.fault = 0;
    CallBackIn(From::kDevice);
    return Then::kGoOn;
  }
  void Arm(int cpu, uint64_t deadline_ns) override {
    StillClock::Arm(cpu, deadline_ns);
    if (cpu == 0) CallBackIn(From::kLoop);
  }
  uint64_t NowNs() override {
    ++looks;
    CallBackIn(From::kLoop);
    return StillClock::NowNs();
  }
  void Log(Severity, std::string_view) override {
    ++logs;
    CallBackIn(From::kLoop);
  }
  void AllAsleep() override {
    ++asleep;
    CallBackIn(From::kLoop);
    stopped = true;
    vm->Stop();
  }

  Vm* vm = nullptr;
  std::atomic<bool> stopped{false};
  std::atomic<int> ports{0}, mmios{0}, msrs{0}, looks{0}, logs{0}, asleep{0};
};

}  // namespace

int main() {
  Everything all;
  // out 0x10; mov [d0000000], eax; rdmsr 12345; APIC: SVR, LVT timer, initial count, and 0 again;
  // out 0x11; cli; hlt
  SmallVm vm(
      {0xe6, 0x10, 0xa3, 0,    0,    0,    0xd0, 0xb9, 0x45, 0x23, 0x01, 0,    0x0f, 0x32, 0xc7,
       0x05, 0xf0, 0,    0xe0, 0xfe, 0xff, 0x01, 0,    0,    0xc7, 0x05, 0x20, 0x03, 0xe0, 0xfe,
       0x50, 0,    0,    0,    0xc7, 0x05, 0x80, 0x03, 0xe0, 0xfe, 0xff, 0xff, 0xff, 0x7f, 0xc7,
       0x05, 0x80, 0x03, 0xe0, 0xfe, 0,    0,    0,    0,    0xe6, 0x11, 0xfa, 0xf4},
      {.cpus = 2, .max_cpus = 3, .logger = &all}, all);
  all.vm = &*vm;
  vm->SetIdleObserver(&all);
  CHECK(std::holds_alternative<vcpu::PortExit>(vm.cpu(0).Run(all)));
  CHECK(all.ports == 2 && all.mmios == 1 && all.msrs == 1 && all.armed >= 2 && all.looks >= 1);
  // Both go to sleep; who is the last says so.
  std::thread other([&] { CHECK(std::holds_alternative<vcpu::StoppedExit>(vm.cpu(1).Run(all))); });
  CHECK(std::holds_alternative<vcpu::StoppedExit>(vm.cpu(0).Run(all)));
  other.join();
  CHECK(all.asleep >= 1);

  // What a callback throws leaves Run as if it had returned.
  struct Throws : vcpu::Devices {
    Then Port(vcpu::Vcpu&, const vcpu::PortExit&) override { throw 17; }
  } throws;
  SmallVm second(OUT_FOR_EVER);
  for (int i = 0; i < 3; ++i) {
    int thrown = 0;
    try {
      second.cpu(0).Run(throws);
    } catch (int value) {
      thrown = value;
    }
    CHECK(thrown == 17);
  }
  CHECK(std::holds_alternative<vcpu::PortExit>(second.cpu(0).Run()));
  return 0;
}
