// Which vector goes in, and when: on real KVM, each way that the run loop has of finding out,
// wherever it ends well: as this KVM is, as if nothing were known of it, and as if it did all that
// some KVM does.

#include <cstdio>
#include <cstring>
#include <optional>
#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/host_traits.h>
#include <muster/vcpu/kvm/vm_handle.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

using Write = TestVm::Write;

std::vector<VmConfig> Ways() {
  const absl::StatusOr<HostTraits> host = ProbeHost(KvmOrSkip());
  REQUIRE(host.ok());
  VmConfig as_probed{.x2apic = true};
  as_probed.traits = *host;
  // What is right everywhere, for want of knowing better.
  VmConfig by_default{.x2apic = true, .traits = HostTraits{}};
  return {as_probed, by_default};
}

// What a KVM is wrongly said to do makes interrupts late, up to the guest's next exit, and no more.
std::vector<VmConfig> WaysAndClaims() {
  std::vector<VmConfig> ways = Ways();
  ways.push_back({.x2apic = true, .traits = HostTraits{.exact_windows = true}});
  ways.push_back({.x2apic = true, .traits = HostTraits{.set_tpr_exits = true}});
  return ways;
}

TEST_CASE("a HLT behind as many prefixes as there can be is not stepped over") {
  TestVm t(1, {.x2apic = true, .traits = HostTraits{}});
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(hlt_behind_prefixes));
  t.Start();
  t.Await("HLT, or what comes after it",
          [&] { return t.Look(0).state == RunState::kHalted || t.CountWrites(0x11) > 0; });
  CHECK(t.CountWrites(0x11) == 0);
}

TEST_CASE("a vector is taken after the shadow of STI, not in it") {
  // As probed alone: where windows are exact nobody steps, and on VMX KVM drops the shadow itself
  // while it single-steps (vmx_vcpu_run).
  for (const VmConfig& way : {Ways().front()}) {
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
  for (const VmConfig& way : WaysAndClaims()) {
    TestVm t(1, way);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(masked_by_tpr));
    t.Load(0x2000, MUSTER_SNIPPET(handler_41));
    t.SetIvt(0x41, 0x2000);
    t.Start();
    t.AwaitWrites(0x30, 3);
    CHECK(t.Writes(0x30) == std::vector<Write>{{0, 0x30, 1}, {0, 0x30, 0x41}, {0, 0x30, 2}});
  }
}

// Identity-mapped long mode with an IDT at 0x14000 whose `vector` leads to `handler`.
StartState LongMode(TestVm& t, uint8_t vector, uint64_t handler) {
  const auto put = [&t](uint64_t gpa, auto value) { memcpy(t.ram() + gpa, &value, sizeof(value)); };
  put(0x10000, uint64_t{0x11003});
  put(0x11000, uint64_t{0x12003});
  put(0x12000, uint64_t{0x83});                // the first 2 MiB
  put(0x15008, uint64_t{0x00af9b000000ffff});  // code
  put(0x15010, uint64_t{0x00cf93000000ffff});  // data
  put(0x14000 + vector * 16ull, uint64_t{0x00008e0000080000} | handler);
  put(0x520, uint16_t{0xfff});
  put(0x522, uint64_t{0x14000});
  return {.mode = StartState::Mode::kLong64,
          .rip = TestVm::kBspCode,
          .rsp = 0x8000,
          .cr3 = 0x10000,
          .gdt_base = 0x15000,
          .gdt_limit = 0x17};
}

TEST_CASE("a vector that CR8 masks is taken when the guest lowers CR8, which may not exit") {
  for (const VmConfig& way : WaysAndClaims()) {
    TestVm t(1, way);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(lower_cr8));
    t.Load(0x2000, MUSTER_SNIPPET(handler_long));
    t.StartAt(LongMode(t, 0x41, 0x2000));
    t.AwaitWrites(0x30, 3);
    CHECK(t.Writes(0x30) == std::vector<Write>{{0, 0x30, 1}, {0, 0x30, 0x41}, {0, 0x30, 2}});
    CHECK(t.Writes(0x31) == std::vector<Write>{{0, 0x31, 3}});
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

TEST_CASE("TSC-deadline mode is offered where its MSR exits, and wakes a halted CPU") {
  HostTraits host = *ProbeHost(KvmOrSkip());
  const auto run = [](const std::optional<HostTraits>& traits, uint32_t ahead = 500'000) {
    TestVm t(1, {.x2apic = true, .tsc_deadline = true, .traits = traits});
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(deadline_wakes_hlt));
    memcpy(&t.ram()[0x524], &ahead, sizeof(ahead));
    t.Load(0x2000, MUSTER_SNIPPET(handler_counts));
    t.SetIvt(0x40, 0x2000);
    t.Start();
    t.AwaitWrites(0x10, 1);
    const bool offered = t.Writes(0x11)[0].value == 1;
    CHECK(t.ram()[0x500] == (offered ? 20 : 0));
    return offered;
  };
  CHECK(run(std::nullopt) == host.tsc_deadline_exits);
  CHECK(run(host) == host.tsc_deadline_exits);
  // Passed before the guest halts: no busy host is needed for that.
  CHECK(run(host, 0) == host.tsc_deadline_exits);
  host.tsc_deadline_exits = false;
  CHECK_FALSE(run(host));
}

// By writes of IA32_TSC and of IA32_TSC_ADJUST.
void CheckMovedTsc(Snippet code, uint32_t interrupts, uint32_t left) {
  const HostTraits host = *ProbeHost(KvmOrSkip());
  if (!host.tsc_deadline_exits || !host.rdtsc_obeys_offset) {
    std::printf("skipped: this KVM does not give the deadline to user space, or moves no TSC\n");
    std::fflush(stdout);
    _exit(77);
  }
  for (const uint32_t msr : {kIa32Tsc, kIa32TscAdjust}) {
    TestVm t(1, {.x2apic = true, .tsc_deadline = true, .traits = host});
    t.Load(TestVm::kBspCode, code);
    t.Load(0x2000, MUSTER_SNIPPET(handler_counts));
    t.SetIvt(0x40, 0x2000);
    memcpy(t.ram() + 0x520, &msr, sizeof(msr));
    t.Start();
    t.AwaitWrites(0x10, 1);
    CAPTURE(msr);
    CHECK(t.Writes(0x11)[0].value == interrupts);
    CHECK(t.Writes(0x12)[0].value == left);
  }
}

TEST_CASE("a TSC that is written past the deadline makes the timer expire", "[tsc-deadline]") {
  CheckMovedTsc(MUSTER_SNIPPET(deadline_is_passed), 1, 0);
}

TEST_CASE("a TSC that is written back puts the deadline off", "[tsc-deadline]") {
  CheckMovedTsc(MUSTER_SNIPPET(deadline_is_put_off), 0, 0);
}

TEST_CASE(
    "a VM with as many vCPUs as KVM takes has no room for a probe, and finds out all the same") {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  TestVm t(KvmOrSkip().max_vcpus(), {.x2apic = true, .tsc_deadline = true});
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(deadline_wakes_hlt));
  REQUIRE(t.vm().SetStart({.mode = StartState::Mode::kReal, .rip = TestVm::kBspCode}).ok());
  const Exit exit = t.vm().vcpu(0).Run();
  const auto* port = std::get_if<PortExit>(&exit);
  REQUIRE(port != nullptr);
  REQUIRE(port->port == 0x11);
  CHECK(port->data[0] == (ProbeHost(KvmOrSkip())->tsc_deadline_exits ? 1 : 0));
}

TEST_CASE("the periodic APIC timer interrupts a CPU that never exits") {
  for (const VmConfig& way : WaysAndClaims()) {
    TestVm t(1, way);
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(timer_while_running));
    t.Load(0x2000, MUSTER_SNIPPET(handler_counts));
    t.SetIvt(0x40, 0x2000);
    t.Start();
    t.AwaitWrites(0x10, 1);
    CHECK(t.ram()[0x500] >= 10);
  }
}

}  // namespace
}  // namespace muster::vcpu
