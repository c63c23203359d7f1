// Which vector goes in, and when: on real KVM, once with the run loop told that this KVM's
// interrupt windows are exact and once that they are not, so that both ways are run everywhere.
// Only a KVM whose windows are exact can be told so.

#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/host_traits.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

using Write = TestVm::Write;

std::vector<VmConfig> Ways() {
  absl::StatusOr<System> system = System::Open();
  if (!system.ok()) return {VmConfig{}};  // TestVm says why
  const absl::StatusOr<HostTraits> host = ProbeHost(*system);
  REQUIRE(host.ok());
  VmConfig as_probed;
  as_probed.traits = *host;
  VmConfig stepping = as_probed;
  stepping.traits->exact_windows = false;
  if (host->exact_windows) return {as_probed, stepping};
  return {as_probed};
}

TEST_CASE("a vector is taken after the shadow of STI, not in it") {
  for (const VmConfig& way : Ways()) {
    TestVm t(1, way);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(sti_shadow));
    t.Load(0x2000, MUSTER_SNIPPET(handler_says_bx));
    t.SetIvt(0x40, 0x2000);
    t.Start();
    t.AwaitWrites(0x30, 1);
    // At least the instruction after STI is executed first, and no more than the few there are.
    const uint32_t executed = t.Writes(0x30)[0].value;
    CHECK(executed >= 1);
    CHECK(executed <= 3);
  }
}

TEST_CASE("a window of one instruction is not missed by an interrupt that waits") {
  for (const VmConfig& way : Ways()) {
    TestVm t(1, way);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(narrow_windows));
    t.Load(0x2000, MUSTER_SNIPPET(handler_says_bx));
    t.SetIvt(0x40, 0x2000);
    t.Start();
    t.AwaitWrites(0x10, 1);
    REQUIRE(t.CountWrites(0x30) == 1);
    CHECK(t.Writes(0x30)[0].value <= 2);
  }
}

TEST_CASE("an interrupt from elsewhere finds a narrow window of a CPU that never exits") {
  for (const VmConfig& way : Ways()) {
    TestVm t(1, way);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(narrow_windows_for_ever));
    t.Load(0x2000, MUSTER_SNIPPET(handler_says));
    t.SetIvt(0x40, 0x2000);
    t.Start();
    t.AwaitWrites(0x10, 1);
    for (size_t i = 1; i <= 10; ++i) {
      REQUIRE(t.vm().SendMessage({.destination = 0, .x2apic = true, .vector = 0x40}).ok());
      t.AwaitWrites(0x30, i);
    }
    CHECK(t.CountWrites(0x30) == 10);
  }
}

TEST_CASE("of two that wait the higher is taken first, the other after its EOI") {
  for (const VmConfig& way : Ways()) {
    TestVm t(1, way);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(two_vectors_by_priority));
    t.Load(0x2000, MUSTER_SNIPPET(handler_41));
    t.Load(0x3000, MUSTER_SNIPPET(handler_52));
    t.SetIvt(0x41, 0x2000);
    t.SetIvt(0x52, 0x3000);
    t.Start();
    t.AwaitWrites(0x30, 2);
    CHECK(t.Writes(0x30) == std::vector<Write>{{0, 0x30, 0x52}, {0, 0x30, 0x41}});
    CHECK(t.Look(0).counters.injected == 2);
  }
}

TEST_CASE("TPR holds a vector back until it is lowered") {
  for (const VmConfig& way : Ways()) {
    TestVm t(1, way);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(masked_by_tpr));
    t.Load(0x2000, MUSTER_SNIPPET(handler_41));
    t.SetIvt(0x41, 0x2000);
    t.Start();
    t.AwaitWrites(0x30, 3);
    CHECK(t.Writes(0x30) == std::vector<Write>{{0, 0x30, 1}, {0, 0x30, 0x41}, {0, 0x30, 2}});
  }
}

TEST_CASE("the APIC timer wakes a halted CPU") {
  TestVm t(1);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(timer_wakes_hlt));
  t.Load(0x2000, MUSTER_SNIPPET(handler_counts));
  t.SetIvt(0x40, 0x2000);
  t.Start();
  t.AwaitWrites(0x10, 1);
  CHECK(t.ram()[0x500] == 20);
}

TEST_CASE("the periodic APIC timer interrupts a CPU that never exits") {
  TestVm t(1);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(timer_while_running));
  t.Load(0x2000, MUSTER_SNIPPET(handler_counts));
  t.SetIvt(0x40, 0x2000);
  t.Start();
  t.AwaitWrites(0x10, 1);
  CHECK(t.ram()[0x500] >= 10);
}

}  // namespace
}  // namespace muster::vcpu
