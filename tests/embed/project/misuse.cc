// Misuse of the C++ interface: an error that says what and where, and nothing else happens.
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <thread>
#include <type_traits>
#include <unistd.h>

#include "small_vm.h"

using namespace muster;

namespace {

// Memory slots are a Vm's, and it alone says that no more are taken.
template <typename T>
concept Seals = requires(T slots) { slots.Seal(); };
static_assert(!Seals<vcpu::MemorySlots>);
static_assert(!std::is_constructible_v<vcpu::MemorySlots, const vcpu::VmHandle*>);

// What belongs to the thread that runs the vCPU.
struct {
  absl::Status (*call)(vcpu::Vcpu&);
} constexpr kBetweenRuns[] = {
    {[](vcpu::Vcpu& vcpu) { return ErrorOf(vcpu.Run()); }},
    {[](vcpu::Vcpu& vcpu) { return vcpu.SendMessage({.destination = 9, .vector = 0x40}); }},
    {[](vcpu::Vcpu& vcpu) { return vcpu.SetLine(1, true); }},
    {[](vcpu::Vcpu& vcpu) { return vcpu.Hold(); }},
    {[](vcpu::Vcpu& vcpu) { return vcpu.StartAgain({}); }},
};

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
    for (const auto& [call] : kBetweenRuns) {
      CHECK_ERROR(call(spins.cpu(0)), IsFailedPrecondition, "vCPU 0", "in use");
    }
    CHECK_ERROR(spins->Pause(1'000'000).status(), IsDeadlineExceeded, "vCPUs 0", "behind pause");
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

void PlacesWithoutAVcpu() {
  SmallVm vm(OUT_FOR_EVER, {.cpus = 1, .max_cpus = 2});
  for (const auto& [call] : kBetweenRuns) {
    CHECK_ERROR(call(vm.cpu(1)), IsNotFound, "vCPU 1", "not there");
  }
  vm.cpu(1).LetGo();
  CHECK_ERROR(vm.cpu(1).Inspect().status(), IsNotFound, "vCPU 1", "not there");
  CHECK_ERROR(vm.cpu(1).Events().status(), IsNotFound, "vCPU 1", "not there");
  // A pause waits for the one that has returned from Run with something for its caller to do, and
  // says which that is.
  CHECK(std::holds_alternative<vcpu::PortExit>(vm.cpu(0).Run()));
  CHECK_ERROR(vm->Pause(1'000'000).status(), IsDeadlineExceeded, "vCPUs 0", "caller's hands");
}

// A number that the Vm has no place for.
void NoSuchPlace() {
  SmallVm vm(OUT_FOR_EVER, {.cpus = 2});
  for (const int cpu : {-1, 2, 99'999}) {
    vcpu::Vcpu& none = vm->vcpu(cpu);
    CHECK(none.index() == -1);
    CHECK_ERROR(ErrorOf(none.Run()), IsNotFound, "no such vCPU", "Vm::vcpu");
    CHECK_ERROR(none.Hold(), IsNotFound, "no such vCPU", "Vm::vcpu");
    CHECK_ERROR(none.SetLine(1, true), IsNotFound, "no such vCPU", "Vm::vcpu");
    CHECK_ERROR(none.Inspect().status(), IsNotFound, "no such vCPU", "Vm::vcpu");
    none.LetGo();
    vm->TimerExpired(cpu);
    CHECK(!vm->HasVcpu(cpu));
  }
}

void BadStart() {
  SmallVm vm(OUT_FOR_EVER);
  using Mode = vcpu::StartState::Mode;
  const auto refused = [&](const vcpu::StartState& start, const char* what, const char* rule) {
    CHECK_ERROR(vm->SetStart(start), IsInvalidArgument, what, rule);
    CHECK_ERROR(vm.cpu(0).StartAgain(start), IsInvalidArgument, what, rule);
  };
  refused({.mode = Mode::kReal, .rip = 0x200000}, "rip 0x200000", "below 1 MiB");
  refused({.mode = Mode::kProtected32, .rip = uint64_t{1} << 32}, "rip 0x100000000", "4 GiB");
  refused({.mode = Mode::kLong64, .cr3 = 0x1001}, "cr3 0x1001", "page boundary");
  CHECK(std::holds_alternative<vcpu::PortExit>(vm.cpu(0).Run()));  // where it was to begin
}

void ReservedMode() {
  SmallVm vm(OUT_FOR_EVER);
  const apic::Message message{.delivery_mode = apic::DeliveryMode::kReserved};
  CHECK_ERROR(vm->SendMessage(message), IsInvalidArgument, "delivery mode 3", "reserved");
  CHECK_ERROR(vm.cpu(0).SendMessage(message), IsInvalidArgument, "delivery mode 3", "reserved");
}

void AfterAFault() {
  // lidt [2000], of limit 0; ud2
  SmallVm vm({0x0f, 0x01, 0x1d, 0x00, 0x20, 0, 0, 0x0f, 0x0b});
  CHECK(std::holds_alternative<vcpu::GuestFaultExit>(vm.cpu(0).Run()));
  CHECK_ERROR(ErrorOf(vm.cpu(0).Run()), IsFailedPrecondition, "vCPU 0", "offline");
}

// What is settled before the first Run: not while a thread is inside, though it has not come to the
// guest yet, nor once a vCPU has been there, whichever, whatever became of it since.
void AfterTheFirstRun() {
  alignas(4096) static uint8_t more[4096];
  constexpr uint64_t kMore = 0x100000;
  {
    SmallVm vm(OUT_FOR_EVER);
    CHECK(vm.cpu(0).Hold().ok());
    std::thread inside([&] { CHECK(std::holds_alternative<vcpu::PortExit>(vm.cpu(0).Run())); });
    while (vm.cpu(0).Inspect().value_or(vcpu::Inspection{}).counters.parks == 0) {
      std::this_thread::yield();
    }
    CHECK_ERROR(vm->SetStart({}), IsFailedPrecondition, "SetStart", "inside Run of vCPU 0");
    CHECK(vm->memory().Add(kMore, {more, sizeof(more)}).ok());
    vm.cpu(0).LetGo();
    inside.join();
  }
  SmallVm vm(OUT_FOR_EVER, {.cpus = 2});
  const auto refused = [&] {
    CHECK_ERROR(vm->SetStart({}), IsFailedPrecondition, "SetStart", "after vCPU 0 has run");
    CHECK_ERROR(vm->memory().Add(kMore, {more, sizeof(more)}), IsFailedPrecondition,
                "0x100000, 0x1000 bytes: Add", "before the first Run");
    CHECK_ERROR(vm->memory().Note(kMore, {more, sizeof(more)}), IsFailedPrecondition,
                "0x100000, 0x1000 bytes: Note", "before the first Run");
    CHECK(!vm->memory().Contains(kMore));
  };
  CHECK(std::holds_alternative<vcpu::PortExit>(vm.cpu(0).Run()));
  refused();
  vcpu::StartState again;
  again.rip = SmallVm::kCode;
  CHECK(vm.cpu(0).StartAgain(again).ok());
  refused();
  CHECK(std::holds_alternative<vcpu::PortExit>(vm.cpu(0).Run()));

  // Another vCPU alone has run: memory is settled, and vCPU 0 may still be told where it begins.
  SmallVm second({0xe6, 0x11}, {.cpus = 2});
  CHECK(second
            ->SendMessage({.destination = 1,
                           .delivery_mode = apic::DeliveryMode::kStartup,
                           .vector = SmallVm::kCode >> 12})
            .ok());
  CHECK(std::holds_alternative<vcpu::PortExit>(second.cpu(1).Run()));
  CHECK_ERROR(second->memory().Add(kMore, {more, sizeof(more)}), IsFailedPrecondition, "Add",
              "before the first Run");
  CHECK(second->SetStart(again).ok());
}

// INIT stops the timer of a halted vCPU, on the thread that sends it: the clock is called inside a
// function of the rendezvous, from where none can be called.
void InsideAFunctionOfTheRendezvous() {
  struct CallsBackIn : StillClock {
    void Arm(int cpu, uint64_t deadline_ns) override {
      StillClock::Arm(cpu, deadline_ns);
      if (std::this_thread::get_id() != sender) return;
      called = true;
      CHECK_ERROR((*vm)->Pause(0).status(), IsFailedPrecondition, "rendezvous",
                  "inside a function");
      CHECK_ERROR(
          (*vm)->SendMessage({.destination = 1, .delivery_mode = apic::DeliveryMode::kInit}),
          IsFailedPrecondition, "rendezvous", "inside a function");
      CHECK_ERROR((*vm)->SetStart({}), IsFailedPrecondition, "SetStart", "vCPU 0");
      CHECK_ERROR((*vm)->RemoveVcpu(1), IsFailedPrecondition, "vCPU 1", "inside a function");
    }
    SmallVm* vm = nullptr;
    bool called = false;
    const std::thread::id sender = std::this_thread::get_id();
  } clock;
  // APIC: SVR, LVT timer, initial count; cli; hlt
  SmallVm vm({0xc7, 0x05, 0xf0, 0x00, 0xe0, 0xfe, 0xff, 0x01, 0,    0,    0xc7,
              0x05, 0x20, 0x03, 0xe0, 0xfe, 0x50, 0,    0,    0,    0xc7, 0x05,
              0x80, 0x03, 0xe0, 0xfe, 0xff, 0xff, 0xff, 0x7f, 0xfa, 0xf4},
             {.cpus = 2}, clock);
  clock.vm = &vm;
  std::thread runs([&] { (void)vm.cpu(0).Run(); });
  const auto halted = [&] {
    auto pause = vm->Pause(10'000'000'000);
    return pause.ok() && pause->Inspect(0).value().state == vcpu::RunState::kHalted;
  };
  while (clock.armed == 0 || !halted()) std::this_thread::yield();
  CHECK(vm->SendMessage({.destination = 0, .delivery_mode = apic::DeliveryMode::kInit}).ok());
  CHECK(clock.called);
  vm->Stop();
  runs.join();
}

void Configurations() {
  StillClock clock;
  const struct {
    vcpu::VmConfig config;
    const char *what, *rule;
  } refused[] = {
      {{.cpus = 0}, "0 vCPUs", "1 to"},
      {{.cpus = 0, .max_cpus = 4}, "0 vCPUs", "1 to"},
      {{.cpus = 1, .max_cpus = 5000}, "5000 vCPUs", "1 to"},
      {{.kick_signal = 0}, "kick signal 0", "blocked"},
      {{.kick_signal = SIGKILL}, "kick signal 9", "blocked"},
      {{.kick_signal = SIGSTOP}, "kick signal 19", "blocked"},
      {{.kick_signal = SIGSEGV}, "kick signal 11", "no fault raises"},
      {{.kick_signal = SIGRTMIN}, "kick signal 34", "real-time"},
      {{.ioapic = {.pins = 0}}, "0 pins", "1 to"},
      {{.ioapic = {.pins = 121}}, "121 pins", "1 to 120"},
  };
  for (const auto& [config, what, rule] : refused) {
    CHECK_ERROR(vcpu::Vm::Create(Kvm(), config, clock).status(), IsInvalidArgument, what, rule);
  }
}

void Memory() {
  SmallVm vm(OUT_FOR_EVER);
  const std::span<uint8_t> nothing(static_cast<uint8_t*>(nullptr), 4096);
  CHECK_ERROR(vm->memory().Add(0x100000, nothing), IsInvalidArgument, "0x100000", "null");
  alignas(4096) static uint8_t host[4 * 4096];
  const struct {
    uint64_t gpa;
    size_t offset, bytes;
    const char *where, *rule;
  } refused[] = {
      {0x100000, 0, 0, "0x100000", "empty"},
      {0x100800, 0, 4096, "0x100800", "whole pages"},
      {0x100000, 0x800, 4096, "0x100000", "whole pages"},
      {0x100000, 0, 0x800, "0x100000", "whole pages"},
      {0xfffffffffffff000, 0, 0x2000, "0xfffffffffffff000", "wraps around"},
      {0xfebff000, 0, 0x2000, "0xfebff000", "interrupt controllers"},
      {0xf000, 0, 0x1000, "0xf000", "overlaps the memory at 0x0"},
  };
  for (const auto& [gpa, offset, bytes, where, rule] : refused) {
    CHECK_ERROR(vm->memory().Add(gpa, {host + offset, bytes}), IsInvalidArgument, where, rule);
    CHECK_ERROR(vm->memory().Note(gpa, {host + offset, bytes}), IsInvalidArgument, where, rule);
  }
}

// A VM of the caller's that has what has to be this library's.
void VmsOfOthers() {
  StillClock clock;
  const int with_vcpu = ioctl(Kvm().fd(), KVM_CREATE_VM, 0);
  CHECK(ioctl(with_vcpu, KVM_CREATE_VCPU, 0) >= 0);
  CHECK_ERROR(vcpu::Vm::Create(Kvm(), {.vm_fd = with_vcpu}, clock).status(), IsFailedPrecondition,
              "the VM", "vCPUs already");
  close(with_vcpu);
  const int with_chips = ioctl(Kvm().fd(), KVM_CREATE_VM, 0);
  if (ioctl(with_chips, KVM_CREATE_IRQCHIP, 0) == 0) {  // not every KVM has them
    CHECK_ERROR(vcpu::Vm::Create(Kvm(), {.vm_fd = with_chips}, clock).status(),
                IsFailedPrecondition, "interrupt controllers", "KVM_CREATE_IRQCHIP");
  }
  close(with_chips);
}

void Descriptors() {
  CHECK_ERROR(vcpu::System::Adopt(-1).status(), IsFailedPrecondition, "descriptor -1", "errno 9");
  CHECK_ERROR(vcpu::System::Adopt(0).status(), IsFailedPrecondition, "descriptor 0", "not KVM");
  StillClock clock;
  CHECK_ERROR(vcpu::Vm::Create(Kvm(), {.vm_fd = 0}, clock).status(), IsInvalidArgument,
              "descriptor 0", "no VM");
  CHECK_ERROR(vcpu::Vm::Create(Kvm(), {.vm_fd = Kvm().fd()}, clock).status(), IsInvalidArgument,
              "descriptor", "no VM");
}

}  // namespace

int main() {
  (void)Kvm();
  TwoThreadsInOneVcpu();
  LinesAndIds();
  PlacesWithoutAVcpu();
  NoSuchPlace();
  BadStart();
  ReservedMode();
  AfterAFault();
  AfterTheFirstRun();
  InsideAFunctionOfTheRendezvous();
  Configurations();
  Memory();
  VmsOfOthers();
  Descriptors();
  return 0;
}
