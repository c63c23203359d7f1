// vCPUs that are taken out of a Vm, and added again.
#include <thread>

#include <catch2/catch.hpp>

#include <muster/vcpu/run/pause.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

using apic::DeliveryMode;

constexpr uint64_t kForever = 60'000'000'000;

apic::Message To(uint32_t cpu, DeliveryMode mode, uint8_t vector = 0) {
  return {.destination = cpu, .x2apic = true, .delivery_mode = mode, .vector = vector};
}

bool WasRemoved(const Exit& exit) {
  const auto* stopped = std::get_if<StoppedExit>(&exit);
  return stopped != nullptr && stopped->removed;
}

TEST_CASE("a vCPU that is removed leaves Run, asleep or in the guest, and nobody waits for it") {
  TestVm vm(3);
  vm.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
  vm.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_counts));
  vm.Start();
  REQUIRE(vm.vm().SendMessage(To(1, DeliveryMode::kStartup, 8)).ok());
  vm.Await("CPU 1 to count", [&] { return vm.Word(0x600) != 0; });

  vm.AwaitAsleep(2);  // or this thread's Run, below, could be the first
  CHECK(vm.vm().RemoveVcpu(1).ok());
  CHECK(vm.vm().RemoveVcpu(2).ok());
  // Also once their threads have gone: then nobody could come to a call.
  vm.Await("both to have left", [&] {
    const absl::StatusOr<Pause> pause = vm.vm().Pause(kForever);
    INFO(pause.status().ToString());
    REQUIRE(pause.ok());
    return pause->standing() == rendezvous::CpuSet{0};
  });
  vm.Await("their Runs to tell",
           [&] { return WasRemoved(vm.vm().vcpu(1).Run()) && WasRemoved(vm.vm().vcpu(2).Run()); });
  // Messages find nobody.
  CHECK(vm.vm().SendMessage(To(UINT32_MAX, DeliveryMode::kFixed, 0x40)).ok());
  CHECK(vm.vm().SendMessage(To(1, DeliveryMode::kInit)).ok());
  CHECK(vm.vm().InspectAll(kForever).size() == 1);
  vm.Stop();
  CHECK(WasRemoved(vm.last_exit(1)));
  CHECK(WasRemoved(vm.last_exit(2)));
}

TEST_CASE("a vCPU that comes again waits for SIPI, with nothing of its earlier life") {
  TestVm vm(2);
  vm.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
  vm.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_takes_interrupts));
  vm.Start();
  REQUIRE(vm.vm().SendMessage(To(1, DeliveryMode::kStartup, 8)).ok());
  // Software-enabled by its guest; a vector in service is nothing of the next life's.
  vm.Await("CPU 1 to enable its APIC", [&] {
    absl::StatusOr<Pause> pause = vm.vm().Pause(kForever);
    return pause.ok() && pause->Inspect(1).value().apic_software_enabled;
  });
  CHECK(vm.vm().RemoveVcpu(1).ok());
  vm.Await("it to have left", [&] { return WasRemoved(vm.vm().vcpu(1).Run()); });
  vm.Await("its thread to be out of Run", [&] { return vm.vm().AddVcpu(1).ok(); });
  const Inspection seen = vm.vm().vcpu(1).Inspect().value();
  CHECK(seen.state == RunState::kWaitForSipi);
  CHECK_FALSE(seen.apic_software_enabled);
  CHECK(seen.irr.empty());
  CHECK(seen.isr.empty());
  CHECK(seen.mailbox.empty());
  CHECK_FALSE(seen.timer_deadline_ns.has_value());

  vm.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_says_hello));
  std::thread again([&] {
    for (;;) {
      Exit exit = vm.vm().vcpu(1).Run();
      if (std::holds_alternative<StoppedExit>(exit)) return;
      if (std::holds_alternative<PortExit>(exit)) vm.vm().Stop();
    }
  });
  CHECK(vm.vm().SendMessage(To(1, DeliveryMode::kStartup, 8)).ok());
  again.join();
}

TEST_CASE("a vCPU that joins in a pause stands until it ends") {
  TestVm vm(2);
  vm.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
  vm.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_counts));
  vm.Start();
  CHECK(vm.vm().RemoveVcpu(1).ok());
  vm.Await("it to have left", [&] { return WasRemoved(vm.vm().vcpu(1).Run()); });
  absl::StatusOr<Pause> pause = vm.vm().Pause(kForever);
  REQUIRE(pause.ok());
  CHECK(pause->standing() == rendezvous::CpuSet{0});
  vm.Await("it to be there again", [&] { return vm.vm().AddVcpu(1).ok(); });
  CHECK(pause->standing() == rendezvous::CpuSet{0, 1});
  std::thread again([&] {
    (void)vm.vm().vcpu(1).Run();  // until the end
  });
  // Waits for its turn until the pause ends.
  std::thread starter([&] { (void)vm.vm().SendMessage(To(1, DeliveryMode::kStartup, 8)); });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(vm.Word(0x600) == 0);
  CHECK(pause->Resume().ok());
  starter.join();
  vm.Await("CPU 1 to count", [&] { return vm.Word(0x600) != 0; });
  vm.vm().Stop();
  again.join();
}

}  // namespace
}  // namespace muster::vcpu
