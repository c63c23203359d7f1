// What devices do to vCPUs from the thread that runs one, between two Runs.

#include <cstring>

#include <catch2/catch.hpp>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

// Says 1 on one port, 2 on the next, and so on; real mode.
const uint8_t kCounts[] = {0xb0, 1,    0xe6, 0x10,      // mov al, 1; out 0x10, al
                           0xe6, 0x11,                  // out 0x11, al
                           0xeb, 0xfe};                 // jmp .
const uint8_t kSaysAgain[] = {0xe6, 0x12, 0xeb, 0xfe};  // out 0x12, al; jmp .

struct OneThread {
  explicit OneThread(int cpus) : t(cpus) {
    const uint8_t jump[] = {0xea, 0x00, 0x11, 0x00, 0x00};  // jmp far 0000:1100
    std::memcpy(rom + 0xff0, jump, sizeof(jump));
    REQUIRE(t.vm().memory().Add(0xfffff000, {rom, sizeof(rom)}, /*read_only=*/true).ok());
    std::memcpy(t.ram() + TestVm::kBspCode, kCounts, sizeof(kCounts));
    std::memcpy(t.ram() + 0x1100, kSaysAgain, sizeof(kSaysAgain));
    REQUIRE(t.vm().SetStart({.mode = StartState::Mode::kReal, .rip = TestVm::kBspCode}).ok());
  }
  int NextPort() { return std::get<PortExit>(t.vm().vcpu(0).Run()).port; }

  alignas(4096) static inline uint8_t rom[4096];
  TestVm t;
};

TEST_CASE("an INIT that a device sends from a vCPU's own thread is there before its next step") {
  OneThread one(2);
  CHECK(one.NextPort() == 0x10);
  const apic::Message init{
      .destination = UINT32_MAX, .x2apic = true, .delivery_mode = apic::DeliveryMode::kInit};
  REQUIRE(one.t.vm().vcpu(0).SendMessage(init).ok());
  CHECK(one.NextPort() == 0x12);  // by the reset vector, and not 0x11
  CHECK(one.t.vm().vcpu(0).Inspect().value().counters.inits == 1);
  CHECK(one.t.vm().vcpu(1).Inspect().value().counters.inits == 1);
}

TEST_CASE("a device raises a line from a vCPU's own thread") {
  OneThread one(1);
  CHECK(one.NextPort() == 0x10);
  CHECK(one.t.vm().vcpu(0).SetLine(4, true).ok());
  CHECK(one.t.vm().vcpu(0).SetLine(24, true).message() == "line 24: the I/O APIC has pins 0 to 23");
  CHECK(one.NextPort() == 0x11);
}

TEST_CASE("the bootstrap processor starts again where it is told, its APIC as after firmware") {
  OneThread one(2);
  CHECK(one.NextPort() == 0x10);
  Vcpu& bsp = one.t.vm().vcpu(0);
  const apic::Message init{.x2apic = true, .delivery_mode = apic::DeliveryMode::kInit};
  REQUIRE(bsp.SendMessage(init).ok());
  CHECK(one.NextPort() == 0x12);
  // What comes now is for the life that ends here.
  REQUIRE(one.t.vm()
              .SendMessage(
                  {.destination = 0, .x2apic = true, .delivery_mode = apic::DeliveryMode::kNmi})
              .ok());
  REQUIRE(one.t.vm().SendMessage({.destination = 0, .x2apic = true, .vector = 0x40}).ok());
  const StartState start{.mode = StartState::Mode::kReal, .rip = TestVm::kBspCode};
  REQUIRE(bsp.StartAgain(start).ok());
  CHECK(one.NextPort() == 0x10);
  const Inspection anew = bsp.Inspect().value();
  CHECK(anew.apic_software_enabled);
  CHECK(anew.counters.nmis_injected == 0);
  CHECK(anew.irr.empty());
  CHECK(anew.mailbox.empty());
  CHECK_FALSE(one.t.vm().vcpu(1).StartAgain(start).ok());
}

}  // namespace
}  // namespace muster::vcpu
