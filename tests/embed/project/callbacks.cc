// Every callback calls back in, through everything that docs/embedding.md's table has. What would
// wait for the very thread that calls is refused; nothing waits, and the guest gets through.
#include <array>
#include <optional>
#include <thread>
#include <vector>

#include "small_vm.h"

using namespace muster;
using vcpu::Vm;

namespace {

thread_local bool runs_vcpu = false;  // the calling thread does, vCPU 0 or 1
thread_local bool runs_vcpu0 = false;

class Everything : public vcpu::Devices,
                   public StillClock,
                   public vcpu::Logger,
                   public vcpu::ExtIntSource,
                   public rendezvous::Observer,
                   public Vm::IdleObserver {
 public:
  enum Callback {
    kPort,
    kMmio,
    kMsr,
    kNowNs,
    kArm,
    kHold,
    kContinue,
    kLogOfVcpu,
    kLogOfWait,
    kWaits,
    kAllAsleep,
    kAsserted,
    kAcknowledge,
    kCallbacks
  };

  void CallBackIn(Callback callback) {
    thread_local bool inside = false;  // or each call would make calls
    // Once it has been stopped there is no telling who is still inside Run.
    if (vm == nullptr || inside || stopped) return;
    // What it calls brings it again: a timer has expired, the wire has risen.
    constexpr int kEnough = 10;
    if (called_back_in[callback] >= kEnough) return;
    inside = true;
    // From a callback of a device, messages come from its vCPU, INIT and SIPI too. From others on
    // that thread it may be anywhere in the run loop, and not all are on such a thread.
    const bool in_device = callback == kPort || callback == kMmio || callback == kMsr;
    const bool in_pause = callback == kHold || callback == kContinue;
    const bool in_wait = callback == kLogOfWait || callback == kWaits;
    const bool in_loop = !in_device && !in_pause && !in_wait;
    SendAndLook(in_device, in_loop);
    Refused(in_device, in_pause, in_wait);
    OfTheVcpu(in_device, callback == kAcknowledge);
    ++called_back_in[callback];
    inside = false;
  }

  Then Port(vcpu::Vcpu&, const vcpu::PortExit& exit) override {
    ++ports;
    CallBackIn(kPort);
    if (exit.port == 0x30 && waits_in_port) {
      in_port = true;
      while (waits_in_port) std::this_thread::yield();
    }
    return exit.port == 0x11 ? Then::kReturn : Then::kGoOn;
  }
  Then Mmio(vcpu::Vcpu&, const vcpu::MmioExit& exit) override {
    CHECK(exit.address == 0xd0000000 && exit.is_write);
    CallBackIn(kMmio);
    return Then::kGoOn;
  }
  Then Msr(vcpu::Vcpu&, const vcpu::MsrExit& exit) override {
    *exit.fault = 0;
    CallBackIn(kMsr);
    return Then::kGoOn;
  }
  void Arm(int cpu, uint64_t deadline_ns) override {
    StillClock::Arm(cpu, deadline_ns);
    if (cpu == 0) CallBackIn(kArm);
  }
  uint64_t NowNs() override {
    if (runs_vcpu) CallBackIn(kNowNs);
    return StillClock::NowNs();
  }
  void Hold() override { CallBackIn(kHold); }
  void Continue() override { CallBackIn(kContinue); }
  void Log(Severity, std::string_view) override { CallBackIn(runs_vcpu ? kLogOfVcpu : kLogOfWait); }
  void Waits(const rendezvous::Wait&) override {
    CallBackIn(kWaits);
    waits_in_port = false;
  }
  bool Asserted() const override {
    if (runs_vcpu) const_cast<Everything*>(this)->CallBackIn(kAsserted);
    return wire;
  }
  uint8_t Acknowledge(int) override {
    CallBackIn(kAcknowledge);
    wire = false;
    return 0x40;
  }
  void AllAsleep() override {
    CallBackIn(kAllAsleep);
    if (!stops) return;
    stopped = true;
    vm.load()->Stop();
  }

  std::array<std::atomic<int>, kCallbacks> called_back_in{};
  std::atomic<Vm*> vm = nullptr;
  std::atomic<bool> stops{false}, stopped{false}, wire{false}, waits_in_port{false}, in_port{false};
  std::atomic<int> ports{0}, added{0};

 private:
  // What is allowed everywhere.
  void SendAndLook(bool in_device, bool in_loop) {
    Vm& of = *vm;
    // A fixed interrupt to nobody, an NMI to a CPU that waits for SIPI; a line; an MSI to nobody.
    CHECK(of.SendMessage({.destination = 9, .vector = 0x40}).ok());
    CHECK(of.SendMessage({.destination = 1, .delivery_mode = apic::DeliveryMode::kNmi}).ok());
    CHECK(of.SetLine(3, true).ok() && of.SetLine(3, false).ok());
    CHECK(of.SendMsi({.address = 0xfee09000, .data = 0x40}).ok());
    of.TimerExpired(1);
    of.TimerExpired(7);
    of.ExtIntRaised();
    of.vcpu(1).LetGo();
    CHECK(of.IoApicState().pins() == 24);
    (void)of.meeting_counters();
    (void)of.OutsideEvents();
    const bool never = of.CanNeverRunAgain();
    if (in_device) CHECK(!never);
    int inspected = 0;
    for (const int cpu : {0, 1}) {
      const auto seen = of.vcpu(cpu).Inspect();
      if (seen.ok()) {
        CHECK(seen->cpu == cpu);
        ++inspected;
      } else {  // the other's thread, maybe in a callback as well
        CHECK_ERROR(seen.status(), IsFailedPrecondition, "does not stand still", "inside Run");
      }
    }
    if (in_device || in_loop) CHECK(inspected >= 1);
    (void)of.InspectAll(0);  // who is in the loop is missing
    CHECK(of.HasVcpu(1));
    // Two may add at a time.
    if (of.AddVcpu(2).ok()) {
      CHECK(of.RemoveVcpu(2).ok());
      ++added;
    }
    of.SetIdleObserver(this);
  }

  void Refused(bool in_device, bool in_pause, bool in_wait) {
    Vm& of = *vm;
    const char* const where = in_pause  ? "in Clock::"
                              : in_wait ? "inside its observer"
                                        : "thread of vCPU";
    CHECK_ERROR(of.Pause(0).status(), IsFailedPrecondition, "", where);
    for (const bool with_devices : {false, true}) {
      const absl::Status run = ErrorOf(with_devices ? of.vcpu(0).Run(*this) : of.vcpu(0).Run());
      // Its own thread may have left meanwhile, for it has been stopped: then there is no error.
      if (!stopped) CHECK_ERROR(run, IsFailedPrecondition, "Run", "vCPU 0");
    }
    for (const auto mode : {apic::DeliveryMode::kInit, apic::DeliveryMode::kStartup}) {
      // A vCPU that a SIPI starts would run: it goes to nobody.
      const uint32_t destination = mode == apic::DeliveryMode::kInit ? 1 : 0;
      const absl::Status sent = of.SendMessage({.destination = destination, .delivery_mode = mode});
      if (in_device) {
        CHECK(sent.ok());
      } else {
        CHECK_ERROR(sent, IsFailedPrecondition, "", in_pause || in_wait ? where : "inside Run");
      }
    }
    static std::array<uint8_t, 4096> page;
    CHECK(absl::IsFailedPrecondition(of.memory().Add(0x100000, page)));
    CHECK(absl::IsFailedPrecondition(of.memory().Note(0x100000, page)));
    CHECK(absl::IsFailedPrecondition(of.SetStart({})));
  }

  // What belongs to the thread that runs it: another's call may be refused, or find it outside.
  void OfTheVcpu(bool in_device, bool acknowledges) {
    if (!runs_vcpu0) return;
    vcpu::Vcpu& cpu = vm.load()->vcpu(0);
    const bool sends = in_device || acknowledges;
    const absl::Status sent = cpu.SendMessage({.destination = 9, .vector = 0x40});
    CHECK(sends ? sent.ok() : absl::IsFailedPrecondition(sent));
    const absl::Status line = cpu.SetLine(3, false);
    CHECK(sends ? line.ok() : absl::IsFailedPrecondition(line));
    const absl::Status held = cpu.Hold();
    CHECK(in_device ? held.ok() : absl::IsFailedPrecondition(held));
    if (in_device) cpu.LetGo();
    if (!in_device) CHECK(absl::IsFailedPrecondition(cpu.StartAgain({})));
  }
};

void Await(const std::atomic<bool>& flag) {
  while (!flag) std::this_thread::yield();
}

// Exits of each kind, a timer, an interrupt that cannot be taken yet, and sleep.
void InExitsAndSleep(Everything& all) {
  // out 0x10; mov [d0000000], eax; rdmsr 12345; APIC: SVR, LVT timer, initial count, and 0 again;
  // out 0x11; cli; hlt
  SmallVm vm(
      {0xe6, 0x10, 0xa3, 0,    0,    0,    0xd0, 0xb9, 0x45, 0x23, 0x01, 0,    0x0f, 0x32, 0xc7,
       0x05, 0xf0, 0,    0xe0, 0xfe, 0xff, 0x01, 0,    0,    0xc7, 0x05, 0x20, 0x03, 0xe0, 0xfe,
       0x50, 0,    0,    0,    0xc7, 0x05, 0x80, 0x03, 0xe0, 0xfe, 0xff, 0xff, 0xff, 0x7f, 0xc7,
       0x05, 0x80, 0x03, 0xe0, 0xfe, 0,    0,    0,    0,    0xe6, 0x11, 0xfa, 0xf4},
      {.cpus = 2, .max_cpus = 3, .logger = &all}, all);
  all.vm = &*vm;
  all.stops = true;
  vm->SetIdleObserver(&all);
  runs_vcpu = runs_vcpu0 = true;
  CHECK(std::holds_alternative<vcpu::PortExit>(vm.cpu(0).Run(all)));
  CHECK(all.ports == 2);
  // What this KVM does about one that waits is found out, and logged.
  CHECK(vm->SendMessage({.destination = 0, .vector = 0x41}).ok());
  // Both go to sleep; who is the last says so.
  std::thread other([&] {
    runs_vcpu = true;
    CHECK(std::holds_alternative<vcpu::StoppedExit>(vm.cpu(1).Run(all)));
  });
  CHECK(std::holds_alternative<vcpu::StoppedExit>(vm.cpu(0).Run(all)));
  other.join();
  runs_vcpu = runs_vcpu0 = false;
  all.vm = nullptr;
}

// An 8259's interrupt, a pause, and one that waits for a vCPU whose device takes its time.
void InPauses(Everything& all) {
  // In real mode: sti; hlt, and again
  SmallVm vm({0xfb, 0xf4, 0xeb, 0xfd},
             {.cpus = 2,
              .max_cpus = 3,
              .extint = &all,
              .trace_events = 64,
              .observer = &all,
              .report_waits_after_ns = 1'000'000,
              .logger = &all},
             all);
  const auto ram = vm->memory().FindWritable(0, SmallVm::kRam);
  const uint8_t handler[] = {0xe6, 0x30, 0xcf};  // out 0x30; iret
  const uint16_t entry[] = {0x2000, 0};
  std::memcpy(&ram[0x2000], handler, sizeof(handler));
  std::memcpy(&ram[4 * 0x40], entry, sizeof(entry));
  CHECK(vm->SetStart({.mode = vcpu::StartState::Mode::kReal, .rip = SmallVm::kCode}).ok());
  all.stops = false;
  all.stopped = false;
  all.vm = &*vm;
  std::thread runs([&] {
    runs_vcpu = runs_vcpu0 = true;
    CHECK(std::holds_alternative<vcpu::StoppedExit>(vm.cpu(0).Run(all)));
  });
  all.waits_in_port = true;
  all.wire = true;
  vm->ExtIntRaised();
  Await(all.in_port);
  {
    const auto pause = vm->Pause(10'000'000'000);  // until Waits lets the device go on
    CHECK(pause.ok());
  }
  all.stopped = true;
  vm->Stop();
  runs.join();
  all.vm = nullptr;
}

}  // namespace

int main() {
  Everything all;
  InExitsAndSleep(all);
  InPauses(all);
  for (int callback = 0; callback < Everything::kCallbacks; ++callback) {
    if (all.called_back_in[callback] > 0) continue;
    std::cerr << "callback " << callback << " has not called back in\n";
    return 1;
  }
  CHECK(all.added > 0);

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
