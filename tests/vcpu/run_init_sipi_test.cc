// INIT and SIPI on real KVM; the code is in snippets/.

#include <cstring>

#include <catch2/catch.hpp>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

using Write = TestVm::Write;

TEST_CASE("an AP waits until SIPI and starts at VV00:0000") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(start_one));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_says_hello));
  t.Start();
  t.AwaitWrites(0x20, 1);
  t.AwaitWrites(0x10, 1);
  CHECK(t.Writes(0x20) == std::vector<Write>{{1, 0x20, 1}});
  const Inspection ap = t.Look(1);
  CHECK(ap.counters.inits == 1);
  CHECK(ap.counters.startups == 1);
  CHECK(ap.cs_selector == 0x800);
}

TEST_CASE("the returns of KVM_RUN are the sum of their reasons, those of a reset among them") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(start_one));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_says_hello));
  t.Start();
  t.AwaitWrites(0x20, 1);
  t.AwaitWrites(0x10, 1);
  t.Stop();
  for (int cpu = 0; cpu < 2; ++cpu) {
    const Counters c = t.vm().vcpu(cpu).Inspect().value().counters;
    CHECK(c.entries == c.port_exits + c.mmio_exits + c.msr_exits + c.hlt_exits + c.window_exits +
                           c.tpr_exits + c.debug_exits + c.interrupted + c.other_exits);
    CHECK(c.interrupted >= 1);  // SetStart, or SIPI
  }
}

TEST_CASE("broadcast INIT and SIPI without a pause start every AP once") {
  const int cpus = GENERATE(2, 4, 64);
  TestVm t(cpus);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(start_all_at_once));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_says_hello));
  t.Start();
  t.AwaitWrites(0x20, static_cast<size_t>(cpus) - 1);
  t.AwaitWrites(0x10, 1);
  t.Stop();
  CHECK(t.CountWrites(0x20) == static_cast<size_t>(cpus) - 1);
  for (int cpu = 1; cpu < cpus; ++cpu) {
    CHECK(t.vm().vcpu(cpu).Inspect().value().counters.startups == 1);
  }
}

TEST_CASE("an AP whose thread comes late has not missed its INIT and SIPI") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(start_one));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_says_hello));
  REQUIRE(t.vm().SetStart({.mode = StartState::Mode::kReal, .rip = TestVm::kBspCode}).ok());
  // The BSP's two messages are done before the AP's thread exists.
  const Exit bsp = t.vm().vcpu(0).Run();
  REQUIRE(std::get<PortExit>(bsp).port == 0x10);
  const Exit ap = t.vm().vcpu(1).Run();
  CHECK(std::get<PortExit>(ap).port == 0x20);
}

TEST_CASE("CPU 300 starts by its 32-bit id", "[many]") {
  TestVm t(301);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(start_300));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_says_hello));
  t.Start();
  t.AwaitWrites(0x20, 1);
  t.Stop();
  CHECK(t.Writes(0x20) == std::vector<Write>{{300, 0x20, 1}});
}

TEST_CASE("SIPI to a running CPU is dropped") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(sipi_to_running));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_waits_for_word));
  t.Start();
  t.AwaitWrites(0x20, 2);
  t.AwaitWrites(0x10, 1);
  CHECK(t.Writes(0x20) == std::vector<Write>{{1, 0x20, 1}, {1, 0x20, 2}});
  CHECK(t.Look(1).counters.startups_dropped == 2);
}

TEST_CASE("nothing is executed after INIT is done") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(init_running));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_counts));
  t.Start();
  t.Await("50 INITs of a running CPU",
          [&] { return t.CountWrites(0x10) + t.CountWrites(0x11) != 0; });
  CHECK(t.CountWrites(0x11) == 0);
  // Each round has an INIT before the SIPI, and the one that is watched.
  CHECK(t.Look(1).counters.inits == 100);
  CHECK(t.Look(1).state == RunState::kWaitForSipi);
}

TEST_CASE("a SIPI that another CPU sends right after INIT starts the AP, once a pair",
          "[sipi-edge]") {
  TestVm t(3);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(sipi_edge_cpu0));
  t.Load(0x8000, MUSTER_SNIPPET(sipi_edge_cpu1));
  t.Load(0x9000, MUSTER_SNIPPET(sipi_edge_cpu2));
  // CPU 0 starts CPU 1 at 0x8000; CPU 2 starts at 0x8000 by CPU 0's SIPI, at 0x9000 by CPU 1's.
  // Both lead to the same code: the first jumps there.
  const uint8_t to_cpu2_or_stay[] = {
      0x66, 0xb9, 0x02, 0x08, 0x00, 0x00,  // mov ecx, 0x802 (ID)
      0x0f, 0x32,                          // rdmsr
      0x3c, 0x02,                          // cmp al, 2
      0x75, 0x05,                          // jne +5
      0xea, 0x00, 0x00, 0x00, 0x09,        // jmp far 0900:0000
  };
  const Snippet cpu1 = MUSTER_SNIPPET(sipi_edge_cpu1);
  memcpy(t.ram() + 0x8000, to_cpu2_or_stay, sizeof(to_cpu2_or_stay));
  t.Load(0x8000 + sizeof(to_cpu2_or_stay), cpu1);
  t.Start();
  t.AwaitWrites(0x10, 1);
  CHECK(t.Word(0x600) == 200);
  const Inspection ap = t.Look(2);
  CHECK(ap.counters.inits == 200);
  CHECK(ap.counters.startups == 200);
  CHECK(ap.counters.startups_dropped == 200);
}

TEST_CASE("two CPUs that INIT each other are both reset and both restart", "[cross-init]") {
  TestVm t(3);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(cross_init_cpu0));
  t.Load(0x8000, MUSTER_SNIPPET(cross_init_ap1));
  t.Load(0x9000, MUSTER_SNIPPET(cross_init_ap2));
  t.Start();
  t.AwaitWrites(0x10, 1);
  // What they send to each other in the last round has arrived.
  t.Await("all CPUs at rest", [&] { return t.vm().CanNeverRunAgain(); });
  t.Stop();
  const Inspection ap1 = t.vm().vcpu(1).Inspect().value();
  const Inspection ap2 = t.vm().vcpu(2).Inspect().value();
  CHECK(ap1.counters.startups == 300);
  CHECK(ap2.counters.startups == 300);
  // An INIT inside the CPU's own ICR write: what follows the write is not executed in that life.
  CHECK(t.Word(0x604) <= t.Word(0x600));
  CHECK(t.Word(0x60c) <= t.Word(0x608));
  // Two INITs in each of 300 rounds by CPU 0, and those of the other.
  CHECK(ap1.counters.inits == 300 + ap2.counters.ipis_sent);
  CHECK(ap2.counters.inits == 300 + ap1.counters.ipis_sent);
}

TEST_CASE("INIT of the bootstrap processor leads to the reset vector, memory kept") {
  TestVm t(1);
  alignas(4096) static uint8_t rom[4096];
  const uint8_t jump[] = {0xea, 0x00, 0x10, 0x00, 0x00};  // jmp far 0000:1000
  memcpy(rom + 0xff0, jump, sizeof(jump));
  REQUIRE(t.vm().memory().Add(0xfffff000, {rom, sizeof(rom)}).ok());
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(init_self));
  t.Start();
  t.AwaitWrites(0x10, 3);
  t.Stop();
  CHECK(t.Writes(0x10) == std::vector<Write>{{0, 0x10, 0}, {0, 0x10, 1}, {0, 0x10, 2}});
  CHECK(t.CountWrites(0x11) == 0);
}

TEST_CASE("the store of a read-modify-write that INIT cuts in two does not reach the next life") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(init_again_and_again));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_exchanges_svr));
  t.Start();
  int enabled = 0;
  for (size_t i = 1; i <= 100; ++i) {
    t.AwaitWrites(0x10, i);
    const Inspection ap = t.Look(1);
    REQUIRE(ap.state == RunState::kWaitForSipi);
    if (ap.apic_software_enabled) ++enabled;
    t.Answer();
  }
  CHECK(enabled == 0);
}

TEST_CASE(
    "a device whose MSI the guest has programmed as a SIPI starts nobody, and is told of no "
    "error") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(halt_masked));
  t.Start();
  for (const uint32_t data : {0x331, 0x608, 0x4608, 0x8031}) {
    CHECK(t.vm().SendMsi({.address = 0xfee01000, .data = data}).ok());
  }
  CHECK(t.Look(1).state == RunState::kWaitForSipi);
}

TEST_CASE("a device on the CPU's own thread may send it an INIT") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(start_one));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(says_for_ever));
  REQUIRE(t.vm().SetStart({.mode = StartState::Mode::kReal, .rip = TestVm::kBspCode}).ok());
  REQUIRE(std::holds_alternative<PortExit>(t.vm().vcpu(0).Run()));
  REQUIRE(std::holds_alternative<PortExit>(t.vm().vcpu(1).Run()));
  REQUIRE(t.vm()
              .vcpu(1)
              .SendMessage(
                  {.destination = 1, .x2apic = true, .delivery_mode = apic::DeliveryMode::kInit})
              .ok());
  CHECK(t.vm().vcpu(1).Inspect().value().state == RunState::kWaitForSipi);
}

TEST_CASE("a hardware-disabled APIC takes no NMI by a shorthand") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(nmi_to_others));
  t.Load(TestVm::kApCode, MUSTER_SNIPPET(disables_apic));
  t.Load(0x2000, MUSTER_SNIPPET(nmi_handler_says));
  t.SetIvt(2, 0x2000);
  t.Start();
  t.AwaitWrites(0x20, 1);
  CHECK(t.CountWrites(0x31) == 0);
  CHECK(t.Look(1).counters.nmis_injected == 0);
}

TEST_CASE("the APIC base is written in a state of which KVM refuses parts") {
  TestVm t(1);
  // Legacy mode ignores a code segment's L; KVM takes no registers in which it is set.
  const uint64_t gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff};
  memcpy(t.ram() + 0x3000, gdt, sizeof(gdt));
  const uint8_t far_jump[] = {0xea, 0x10, 0x10, 0, 0, 0x18, 0};  // to 18:1010
  memcpy(t.ram() + TestVm::kBspCode, far_jump, sizeof(far_jump));
  const uint8_t writes[] = {0x66, 0xb9, 0x1b, 0,    0,    0,  // mov ecx, IA32_APIC_BASE
                            0x66, 0xb8, 0x00, 0x01, 0,    0,  // mov eax, BSP, disabled
                            0x66, 0x31, 0xd2, 0x0f, 0x30,     // xor edx, edx; wrmsr
                            0xb0, 0x01, 0xe6, 0x10, 0xf4};    // out 0x10, 1; hlt
  memcpy(t.ram() + 0x1010, writes, sizeof(writes));
  t.StartAt({.mode = StartState::Mode::kProtected32,
             .rip = TestVm::kBspCode,
             .gdt_base = 0x3000,
             .gdt_limit = sizeof(gdt) - 1});
  t.AwaitWrites(0x10, 1);
  CHECK_FALSE(t.Look(0).apic_enabled);
}

TEST_CASE("an APIC page moved over RAM is a fault that says where") {
  TestVm t(1);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(apic_over_ram));
  t.Start();
  t.Await("the fault", [&] { return std::holds_alternative<GuestFaultExit>(t.last_exit(0)); });
  const auto& fault = std::get<GuestFaultExit>(t.last_exit(0));
  CHECK(fault.kind == GuestFaultExit::Kind::kApicOverRam);
  CHECK(fault.detail == 0x80000);
}

}  // namespace
}  // namespace muster::vcpu
