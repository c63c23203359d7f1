// A guest that debugs itself while an interrupt waits with IF = 0: on real KVM, with the run loop
// as this KVM needs it, and single-stepping the guest whether or not it has to. Nothing of it shows
// in the guest, and its own #DBs are all its own.

#include <algorithm>
#include <cstring>

#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/host_traits.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

using Write = TestVm::Write;

class Debugging {
 public:
  // `code` is the guest, `db` its handler of #DB, `ud` that of #UD; vector 0x40 says 1 on port
  // 0x30.
  Debugging(const std::optional<HostTraits>& traits, Snippet code, Snippet db, Snippet ud)
      : t(1, {.x2apic = true, .traits = traits}) {
    t.Load(TestVm::kBspCode, code);
    t.Load(0x2000, MUSTER_SNIPPET(handler_says));
    t.Load(0x3000, db);
    t.Load(0x4000, ud);
    t.SetIvt(0x40, 0x2000);
    t.SetIvt(1, 0x3000);
    t.SetIvt(6, 0x4000);
    t.Start();
    t.Await("the end", [&] { return t.vm().CanNeverRunAgain() || Faulted(); });
  }
  bool Faulted() const { return std::holds_alternative<GuestFaultExit>(t.last_exit(0)); }
  uint64_t steps() { return t.Look(0).counters.debug_exits; }

  TestVm t;
};

// The run loop as it finds this KVM; and as if nothing were known, which single-steps.
const std::optional<HostTraits> kAsFound, kStepping = HostTraits{};

TEST_CASE("a guest that single-steps itself gets every one of its steps") {
  const auto count = [](const std::optional<HostTraits>& traits) {
    Debugging guest(traits, MUSTER_SNIPPET(steps_itself), MUSTER_SNIPPET(handler_counts_steps),
                    MUSTER_SNIPPET(gp_handler));
    REQUIRE(guest.t.CountWrites(0x10) == 1);
    if (traits == kStepping) CHECK(guest.steps() > 0);
    return guest.t.Writes(0x10)[0].value;
  };
  // Where the run loop never steps. Eight, of which some KVMs lose that of the exit.
  const uint32_t unstepped = count(HostTraits{.exact_windows = true});
  CHECK((unstepped == 7 || unstepped == 8));
  CHECK(count(kAsFound) == unstepped);
  CHECK(count(kStepping) == unstepped);
}

TEST_CASE("no TF is in the flags that a guest pushes while it is stepped") {
  for (const auto& code : {MUSTER_SNIPPET(pushes_flags), MUSTER_SNIPPET(pushes_wide_flags)}) {
    for (const auto& traits : {kAsFound, kStepping}) {
      Debugging guest(traits, code, MUSTER_SNIPPET(handler_counts_steps),
                      MUSTER_SNIPPET(gp_handler));
      CHECK(guest.t.CountWrites(0x10) == 1);
      CHECK(guest.t.CountWrites(0x11) == 0);
      if (traits) CHECK(guest.steps() > 20);
    }
  }
}

TEST_CASE("where PUSHF faults nothing of its handler's stack is taken for flags") {
  for (const auto& traits : {kAsFound, kStepping}) {
    Debugging guest(traits, MUSTER_SNIPPET(pushf_faults), MUSTER_SNIPPET(handler_counts_steps),
                    MUSTER_SNIPPET(ud_handler_says_ip));
    if (guest.Faulted()) Skip("this KVM does not emulate LOCK PUSHF");
    if (guest.t.CountWrites(0x11) == 0) Skip("LOCK PUSHF is no #UD here");
    CHECK((guest.t.Writes(0x11)[0].value & 1) == 1);
    CHECK(guest.t.CountWrites(0x10) == 1);
    CHECK(guest.t.CountWrites(0x30) == 1);
  }
}

TEST_CASE("where PUSHF faults and its handler's stack is read-only memory, that stays as it is") {
  alignas(kPageSize) static uint8_t rom[kPageSize];
  std::ranges::fill(rom, uint8_t{0xff});
  for (const auto& traits : {kAsFound, kStepping}) {
    TestVm t(1, {.x2apic = true, .traits = traits});
    REQUIRE(t.vm().memory().Add(TestVm::kRamSize, rom, /*read_only=*/true).ok());
    t.Load(TestVm::kBspCode, MUSTER_SNIPPET(pushf_faults));
    t.Load(0x4000, MUSTER_SNIPPET(ud_handler_changes_stack));
    t.Load(0x2000, MUSTER_SNIPPET(handler_says));
    t.SetIvt(6, 0x4000);
    t.SetIvt(0x40, 0x2000);
    // FFFF:0410 is 0x400 bytes above the first MiB.
    const uint16_t stack[] = {0x410, 0xffff};
    memcpy(t.ram() + 0x540, stack, sizeof(stack));
    t.Start();
    t.Await("the end", [&] { return t.vm().CanNeverRunAgain(); });
    if (t.CountWrites(0x11) == 0) Skip("LOCK PUSHF is no #UD here");
    CHECK(t.CountWrites(0x10) == 0);
    CHECK(std::ranges::count(rom, 0xff) == kPageSize);
  }
}

TEST_CASE("a guest's breakpoint is the guest's, and costs no steps", "[breakpoint]") {
  for (const auto& traits : {kAsFound, kStepping}) {
    Debugging guest(traits, MUSTER_SNIPPET(breaks), MUSTER_SNIPPET(handler_says_dr6),
                    MUSTER_SNIPPET(gp_handler));
    CHECK(guest.t.Writes(0x11) == std::vector<Write>{{0, 0x11, 0xffff0ff1}});
    CHECK(guest.t.CountWrites(0x10) == 1);
    CHECK(guest.t.CountWrites(0x30) == 1);
    CHECK(guest.steps() < 20);
  }
}

TEST_CASE("a breakpoint that the handler of an exception meets is not lost", "[breakpoint]") {
  for (const auto& traits : {kAsFound, kStepping}) {
    Debugging guest(traits, MUSTER_SNIPPET(faults), MUSTER_SNIPPET(handler_says_dr6),
                    MUSTER_SNIPPET(ud_handler_breaks));
    if (guest.Faulted()) Skip("this KVM does not emulate UD2");
    CHECK(guest.t.Writes(0x11) == std::vector<Write>{{0, 0x11, 0xffff0ff1}});
    CHECK(guest.t.CountWrites(0x10) == 1);
  }
}

TEST_CASE("INT1 is the guest's, twice for two, and costs no steps") {
  for (const auto& traits : {kAsFound, kStepping}) {
    Debugging guest(traits, MUSTER_SNIPPET(int1), MUSTER_SNIPPET(handler_says_dr6),
                    MUSTER_SNIPPET(gp_handler));
    if (guest.Faulted()) Skip("this KVM does not emulate INT1");
    if (guest.t.Writes(0x30) == std::vector<Write>{{0, 0x30, 0x0d}}) Skip("INT1 is #UD here");
    CHECK(guest.t.CountWrites(0x11) == 2);
    CHECK(guest.t.CountWrites(0x10) == 1);
    CHECK(guest.t.CountWrites(0x30) == 1);
    CHECK(guest.steps() < 20);
  }
}

}  // namespace
}  // namespace muster::vcpu
