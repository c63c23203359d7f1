// One thread acts for another's vCPU, which sleeps: its callbacks call back in there as well.
#include <thread>

#include "small_vm.h"

using namespace muster;
using vcpu::Vm;

namespace {

// Or until it has failed: where INIT leads to there is no memory.
void RunUntilStopped(vcpu::Vcpu& cpu) {
  for (bool more = true; more;) {
    const vcpu::Exit exit = cpu.Run();
    more = std::holds_alternative<vcpu::MmioExit>(exit);
  }
}

// All sleep, vCPU 0 with a timer. An INIT from outside takes the timer away: on the sender's
// thread, which acts for both vCPUs at that time, the clock is told, and that all sleep.
class Sender : public StillClock, public Vm::IdleObserver {
 public:
  void Arm(int cpu, uint64_t deadline_ns) override {
    StillClock::Arm(cpu, deadline_ns);
    CallBackIn();
  }
  void AllAsleep() override {
    CallBackIn();
    if (std::this_thread::get_id() != sender_) return;
    called = true;
    vm->Stop();
  }

  Vm* vm = nullptr;
  bool called = false;

 private:
  void CallBackIn() {
    if (std::this_thread::get_id() != sender_) return;
    for (const int cpu : {0, 1}) {  // that woke meanwhile is not acted for
      const auto seen = vm->vcpu(cpu).Inspect();
      if (!seen.ok()) CHECK_ERROR(seen.status(), IsFailedPrecondition, "does not stand", "awake");
    }
    CHECK(vm->InspectAll(vcpu::Clock::kNever).size() >= 1);
    (void)vm->CanNeverRunAgain();
    CHECK_ERROR(vm->Pause(vcpu::Clock::kNever).status(), IsFailedPrecondition, "rendezvous",
                "inside a function");
    CHECK_ERROR(vm->SendMessage({.destination = 1, .delivery_mode = apic::DeliveryMode::kInit}),
                IsFailedPrecondition, "rendezvous", "inside a function");
    CHECK_ERROR(vm->AddVcpu(2), IsFailedPrecondition, "vCPU 2", "inside a function");
    CHECK_ERROR(vm->RemoveVcpu(1), IsFailedPrecondition, "vCPU 1", "inside a function");
    CHECK_ERROR(vm->SetStart({}), IsFailedPrecondition, "SetStart", "vCPU 0");
  }

  const std::thread::id sender_ = std::this_thread::get_id();
};

bool IsCalledOnItsSender() {
  Sender clock;
  // APIC: SVR, LVT timer, initial count; cli; hlt
  SmallVm vm({0xc7, 0x05, 0xf0, 0x00, 0xe0, 0xfe, 0xff, 0x01, 0,    0,    0xc7,
              0x05, 0x20, 0x03, 0xe0, 0xfe, 0x50, 0,    0,    0,    0xc7, 0x05,
              0x80, 0x03, 0xe0, 0xfe, 0xff, 0xff, 0xff, 0x7f, 0xfa, 0xf4},
             {.cpus = 2, .max_cpus = 3}, clock);
  clock.vm = &*vm;
  vm->SetIdleObserver(&clock);
  std::thread first([&] { RunUntilStopped(vm.cpu(0)); });
  std::thread second([&] { RunUntilStopped(vm.cpu(1)); });
  const auto sleeps = [&](int cpu, vcpu::RunState state) {
    const auto seen = vm.cpu(cpu).Inspect();
    return seen.ok() && seen->state == state;
  };
  while (!sleeps(0, vcpu::RunState::kHalted) || !sleeps(1, vcpu::RunState::kWaitForSipi)) {
    std::this_thread::yield();
  }
  CHECK(
      vm->SendMessage(
            {.destination = UINT32_MAX, .x2apic = true, .delivery_mode = apic::DeliveryMode::kInit})
          .ok());
  if (!clock.called) vm->Stop();  // one was about to sleep
  first.join();
  second.join();
  return clock.called;
}

// In a callback of who removes a vCPU, which acts for it.
void WhileOneIsRemoved() {
  struct Remover : StillClock {
    void Arm(int cpu, uint64_t deadline_ns) override {
      StillClock::Arm(cpu, deadline_ns);
      if (deadline_ns != kNever || cpu != 1) return;
      ++calls;
      CHECK_ERROR((*vm)->AddVcpu(1), IsFailedPrecondition, "vCPU 1", "still");
      CHECK_ERROR((*vm)->Pause(0).status(), IsFailedPrecondition, "rendezvous", "acts for");
      (void)(*vm)->CanNeverRunAgain();
      (*vm)->Stop();
    }
    SmallVm* vm = nullptr;
    int calls = 0;
  } clock;
  // In real mode, x2APIC: SVR, LVT timer, initial count; out 0x10
  SmallVm vm({0x66, 0xb9, 0x0f, 0x08, 0,    0,    0x66, 0xb8, 0xff, 0x01, 0,    0,
              0x66, 0x31, 0xd2, 0x0f, 0x30, 0x66, 0xb9, 0x32, 0x08, 0,    0,    0x66,
              0xb8, 0x50, 0,    0,    0,    0x0f, 0x30, 0x66, 0xb9, 0x38, 0x08, 0,
              0,    0x66, 0xb8, 0xff, 0xff, 0xff, 0x7f, 0x0f, 0x30, 0xe6, 0x10},
             {.cpus = 2, .x2apic = true}, clock);
  clock.vm = &vm;
  CHECK(vm->SendMessage({.destination = 1,
                         .x2apic = true,
                         .delivery_mode = apic::DeliveryMode::kStartup,
                         .vector = SmallVm::kCode >> 12})
            .ok());
  CHECK(std::holds_alternative<vcpu::PortExit>(vm.cpu(1).Run()));
  CHECK(clock.armed == 1);
  CHECK(vm->RemoveVcpu(1).ok());
  CHECK(clock.calls == 1);
  CHECK(std::holds_alternative<vcpu::StoppedExit>(vm.cpu(0).Run()));
  CHECK(vm->Pause(vcpu::Clock::kNever).ok());  // all have left
}

}  // namespace

int main() {
  bool called = false;
  for (int i = 0; i < 50 && !called; ++i) called = IsCalledOnItsSender();
  CHECK(called);
  WhileOneIsRemoved();
  return 0;
}
