// vCPUs that are removed and added again while something of the earlier life is under way. On real
// KVM.

#include <csignal>
#include <cstring>
#include <functional>
#include <linux/kvm.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <utility>

#include <catch2/catch.hpp>

#include <muster/apic/ioapic_regs.h>
#include <muster/vcpu/kvm/fd.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

// Places for two vCPUs, of which the bootstrap processor is there; threads and loop are the test's.
class Places {
 public:
  explicit Places(Clock& clock, const VmConfig& config) {
    absl::StatusOr<std::unique_ptr<Vm>> made = Vm::Create(KvmOrSkip(), config, clock);
    REQUIRE(made.ok());
    vm_ = *std::move(made);
    ram_ = static_cast<uint8_t*>(mmap(nullptr, TestVm::kRamSize, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(ram_ != MAP_FAILED);
    REQUIRE(vm_->memory().Add(0, {ram_, TestVm::kRamSize}).ok());
    std::memset(ram_, 0xf4, TestVm::kRamSize);  // HLT
  }
  ~Places() {
    vm_.reset();
    munmap(ram_, TestVm::kRamSize);
  }
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;

  Vm& vm() { return *vm_; }
  void Load(uint64_t gpa, Snippet code) {
    std::memcpy(ram_ + gpa, code.begin, static_cast<size_t>(code.end - code.begin));
  }
  // Has vCPU 1 begin with `code`.
  void Begin(Snippet code) {
    Load(TestVm::kApCode, code);
    REQUIRE(vm_->SendMessage({.destination = 1,
                              .x2apic = true,
                              .delivery_mode = apic::DeliveryMode::kStartup,
                              .vector = 8})
                .ok());
  }

 private:
  std::unique_ptr<Vm> vm_;
  uint8_t* ram_ = nullptr;
};

// Calls `function` once when somebody next looks at the time.
class CallingClock : public Clock {
 public:
  uint64_t NowNs() override {
    if (function) std::exchange(function, nullptr)();
    return sync::Now();
  }
  void Arm(int, uint64_t) override {}

  std::function<void()> function;
};

// What the handler of the kick does.
std::function<void()> at_kick;

TEST_CASE("a CPU is added again while its thread has let go of it and not seen that it is removed",
          "[remove]") {
  CallingClock clock;
  Places places(clock, {.cpus = 1, .max_cpus = 2, .x2apic = true, .trace_events = 8});
  Vm& vm = places.vm();
  REQUIRE(vm.AddVcpu(1).ok());
  // The removal comes while this thread has vCPU 1. When it has let go of it, it unblocks the kick,
  // which it finds waiting.
  const auto before = signal(SIGUSR1, [](int) { std::exchange(at_kick, nullptr)(); });
  absl::Status removed, added = absl::UnknownError("no kick");
  clock.function = [&] {
    removed = vm.RemoveVcpu(1);
    pthread_kill(pthread_self(), SIGUSR1);
  };
  at_kick = [&] { added = vm.AddVcpu(1); };
  REQUIRE(vm.vcpu(1).SendMessage({.destination = 0, .x2apic = true, .vector = 0x40}).ok());
  signal(SIGUSR1, before);
  INFO(removed.ToString() << ", " << added.ToString());
  CHECK(removed.ok());
  REQUIRE(added.ok());
  CHECK(vm.HasVcpu(1));
  places.Begin(MUSTER_SNIPPET(says_for_ever));
  CHECK(std::holds_alternative<PortExit>(vm.vcpu(1).Run()));
  CHECK(vm.RemoveVcpu(1).ok());
  CHECK(vm.AddVcpu(1).ok());
}

class CallingDevices : public Devices {
 public:
  explicit CallingDevices(std::function<void()> function) : function_(std::move(function)) {}
  Then Port(Vcpu&, const PortExit&) override {
    if (function_) std::exchange(function_, nullptr)();
    return Then::kGoOn;
  }

 private:
  std::function<void()> function_;
};

bool WasRemoved(const Exit& exit) {
  const auto* stopped = std::get_if<StoppedExit>(&exit);
  return stopped != nullptr && stopped->removed;
}

TEST_CASE("a CPU is not added again while its thread is in a callback of the earlier life",
          "[remove]") {
  CallingClock clock;
  Places places(clock, {.cpus = 1, .max_cpus = 2, .x2apic = true});
  Vm& vm = places.vm();
  REQUIRE(vm.AddVcpu(1).ok());
  places.Begin(MUSTER_SNIPPET(says_for_ever));
  absl::Status removed, added;
  CallingDevices devices([&] {
    removed = vm.RemoveVcpu(1);
    added = vm.AddVcpu(1);
  });
  CHECK(WasRemoved(vm.vcpu(1).Run(devices)));
  CHECK(removed.ok());
  CHECK(absl::IsFailedPrecondition(added));
  CHECK(vm.AddVcpu(1).ok());
}

TEST_CASE("a device may send for a CPU that is removed while it serves it", "[remove]") {
  CallingClock clock;
  Places places(clock, {.cpus = 1, .max_cpus = 3, .x2apic = true});
  Vm& vm = places.vm();
  REQUIRE(vm.AddVcpu(1).ok());
  REQUIRE(vm.AddVcpu(2).ok());
  places.Begin(MUSTER_SNIPPET(says_for_ever));
  CallingDevices devices([&] {
    CHECK(vm.RemoveVcpu(1).ok());
    CHECK(vm.SetLine(4, true).ok());
    CHECK(vm.SendMsi({.address = 0xfee00000, .data = 0x40}).ok());
    // Which meets vCPU 2: it has no thread, and is acted for.
    CHECK(vm.SendMessage(
                {.destination = 2, .x2apic = true, .delivery_mode = apic::DeliveryMode::kInit})
              .ok());
  });
  CHECK(WasRemoved(vm.vcpu(1).Run(devices)));
}

TEST_CASE("nobody waits for a CPU that was removed with an exit in hand and is added again",
          "[remove]") {
  CallingClock clock;
  Places places(clock, {.cpus = 1, .max_cpus = 2, .x2apic = true});
  Vm& vm = places.vm();
  REQUIRE(vm.vcpu(0).Hold().ok());  // so that it can stand without a thread
  for (int life = 0; life < 3; ++life) {
    REQUIRE(vm.AddVcpu(1).ok());
    if (life < 2) {
      // The IN is half done, and stays so.
      places.Begin(MUSTER_SNIPPET(ap_interrupts_off));
      REQUIRE(std::holds_alternative<PortExit>(vm.vcpu(1).Run()));
      REQUIRE(std::holds_alternative<PortExit>(vm.vcpu(1).Run()));
      REQUIRE(vm.RemoveVcpu(1).ok());
    }
  }
  {
    absl::StatusOr<Pause> pause = vm.Pause(1'000'000'000);
    INFO(pause.status().ToString());
    REQUIRE(pause.ok());
    CHECK(pause->Resume().ok());
  }
  places.Begin(MUSTER_SNIPPET(says_for_ever));
  const Exit exit = vm.vcpu(1).Run();
  REQUIRE(std::holds_alternative<PortExit>(exit));
  CHECK(std::get<PortExit>(exit).is_write);
}

TEST_CASE("a VM whose local APICs KVM emulates is refused") {
  const Fd vm(ioctl(KvmOrSkip().fd(), KVM_CREATE_VM, 0));
  REQUIRE(vm.valid());
  kvm_enable_cap split{};
  split.cap = KVM_CAP_SPLIT_IRQCHIP;
  split.args[0] = 24;
  if (ioctl(vm.get(), KVM_ENABLE_CAP, &split) != 0) return;  // this KVM emulates none
  CallingClock clock;
  const absl::Status status =
      Vm::Create(KvmOrSkip(), {.cpus = 1, .vm_fd = vm.get()}, clock).status();
  CHECK(absl::IsFailedPrecondition(status));
  CHECK_THAT(status.ToString(), Catch::Contains("KVM_CAP_SPLIT_IRQCHIP"));
}

TEST_CASE("a CPU that could not be added for want of memory is added when there is some") {
  CallingClock clock;
  Places places(clock, {.cpus = 1, .max_cpus = 2, .x2apic = true});
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_AS, &before) == 0);
  // No mapping more, and KVM has made the vCPU before that of its page fails.
  const rlimit none{0, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_AS, &none) == 0);
  const absl::Status failed = places.vm().AddVcpu(1);
  REQUIRE(setrlimit(RLIMIT_AS, &before) == 0);
  CHECK_THAT(failed.ToString(), Catch::Contains("mmap"));
  const absl::Status added = places.vm().AddVcpu(1);
  INFO(added.ToString());
  REQUIRE(added.ok());
  places.Begin(MUSTER_SNIPPET(says_for_ever));
  CHECK(std::holds_alternative<PortExit>(places.vm().vcpu(1).Run()));
}

TEST_CASE(
    "a CPU that is added again has no clock of KVM's and no TSC adjustment of its earlier life",
    "[remove]") {
  CallingClock clock;
  Places places(clock, {.cpus = 1, .max_cpus = 2, .x2apic = true});
  Vm& vm = places.vm();
  for (int life = 0; life < 2; ++life) {
    REQUIRE(vm.AddVcpu(1).ok());
    places.Begin(MUSTER_SNIPPET(ap_says_msrs));
    for (const uint32_t expected : {0u, 0u, 0x100000u}) {
      const Exit exit = vm.vcpu(1).Run();
      const auto* port = std::get_if<PortExit>(&exit);
      REQUIRE(port != nullptr);
      uint32_t said = 0;
      std::memcpy(&said, port->data.data(), sizeof(said));
      CHECK(said == expected);
    }
    REQUIRE(vm.RemoveVcpu(1).ok());
  }
}

TEST_CASE("a level in the IRR of a CPU that is removed goes to another that its entry names",
          "[remove]") {
  constexpr unsigned kPin = 5;
  constexpr uint32_t kLevelLowestLogical = 1u << 15 | 1u << 11 | 1u << 8;
  TestVm t(3);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(store_robot));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_interrupts_off));
  t.StartAt({.mode = StartState::Mode::kProtected32, .rip = TestVm::kBspCode});
  for (uint32_t cpu = 1; cpu < 3; ++cpu) {
    REQUIRE(t.vm()
                .SendMessage({.destination = cpu,
                              .x2apic = true,
                              .delivery_mode = apic::DeliveryMode::kStartup,
                              .vector = 8})
                .ok());
  }
  t.AwaitWrites(0x20, 2);
  const auto store = [&](uint8_t reg, uint32_t value) {
    t.Store(apic::kDefaultIoApicBase + apic::kIoRegSel, reg);
    t.Store(apic::kDefaultIoApicBase + apic::kIoWin, value);
  };
  store(0x11 + 2 * kPin, 0x06u << 24);  // CPUs 1 and 2
  store(0x10 + 2 * kPin, 0x40 | kLevelLowestLogical);
  REQUIRE(t.vm().SetLine(kPin, true).ok());
  const auto has_it = [&](int cpu) { return t.Look(cpu).irr == std::vector<uint8_t>{0x40}; };
  t.Await("the interrupt", [&] { return has_it(1) || has_it(2); });
  const int first = has_it(1) ? 1 : 2;
  REQUIRE(t.vm().RemoveVcpu(first).ok());
  t.Await("the interrupt at the other", [&] { return has_it(3 - first); });
}

}  // namespace
}  // namespace muster::vcpu
