// vCPUs that are removed and added again while something of the earlier life is under way. On real
// KVM.

#include <algorithm>

#include <catch2/catch.hpp>

#include <muster/apic/ioapic_regs.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

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
