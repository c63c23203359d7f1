#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/host_traits.h>
#include <muster/vcpu/kvm/probe_in.h>

#include "kvm_fixture.h"

namespace muster::vcpu {
namespace {

TEST_CASE("a probe inside a VM finds what one in a VM of its own does, and leaves no memory") {
  TestGuest guest;  // the number of VMs does not return to 0
  const absl::StatusOr<HostTraits> alone = ProbeHost(KvmOrSkip());
  INFO(alone.status().ToString());
  REQUIRE(alone.ok());
  const absl::StatusOr<ProbedVm> inside = ProbeIn(KvmOrSkip(), guest.vm(), /*id=*/7);
  INFO(inside.status().ToString());
  REQUIRE(inside.ok());
  HostTraits expected = *alone;
  expected.rdtsc_obeys_offset = false;
  CHECK(inside->traits == expected);
  // Its slot is free again, and another vCPU can do the same.
  const absl::StatusOr<ProbedVm> again = ProbeIn(KvmOrSkip(), guest.vm(), /*id=*/8);
  REQUIRE(again.ok());
  CHECK(again->traits == expected);
  // The vCPU that it left has the TSC of the others.
  CHECK(*inside->vcpu.GetTscOffset() == *guest.vcpu().GetTscOffset());
}

TEST_CASE("a probe in a VM that has a vCPU of that number fails with its name") {
  TestGuest guest;
  CHECK_FALSE(ProbeIn(KvmOrSkip(), guest.vm(), guest.vcpu().id()).ok());
}

TEST_CASE("the probe says the same twice") {
  TestGuest guest;
  const auto first = ProbeHost(KvmOrSkip()), second = ProbeHost(KvmOrSkip());
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK(*first == *second);
}

}  // namespace
}  // namespace muster::vcpu
