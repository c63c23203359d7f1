#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

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

// A KVM that looks for windows between batches of instructions ends a batch where its thread is
// preempted, which may be just where the probe's window is.
TEST_CASE("the probe says the same each time, where others preempt it too") {
  constexpr int kProbes = 300;
  constexpr auto kLongest = std::chrono::seconds(3);
  TestGuest guest;
  const absl::StatusOr<HostTraits> first = ProbeHost(KvmOrSkip());
  REQUIRE(first.ok());

  std::atomic<bool> ends{false};
  std::vector<std::jthread> wakers(2 * std::thread::hardware_concurrency());
  for (std::jthread& thread : wakers) {
    thread = std::jthread([&ends] {
      while (!ends) std::this_thread::sleep_for(std::chrono::microseconds(20));
    });
  }
  int probes = 0;
  absl::StatusOr<HostTraits> other = *first;
  const auto until = std::chrono::steady_clock::now() + kLongest;
  for (; probes < kProbes && std::chrono::steady_clock::now() < until && other.ok() &&
         *other == *first;
       ++probes) {
    other = ProbeHost(KvmOrSkip());
  }
  ends = true;
  INFO("probe " << probes << ": " << other.status().ToString());
  REQUIRE(other.ok());
  CHECK(other->exact_windows == first->exact_windows);
  CHECK(*other == *first);
}

}  // namespace
}  // namespace muster::vcpu
