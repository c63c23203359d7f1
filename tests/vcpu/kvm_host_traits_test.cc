#include <optional>

#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/host_traits.h>
#include <muster/vcpu/run/vm.h>

#include "kvm_fixture.h"

namespace muster::vcpu {
namespace {

TEST_CASE("the probe agrees with what is known of VMX and SVM") {
  TestGuest guest;  // the number of VMs does not return to 0
  const auto probed = ProbeHost(KvmOrSkip());
  INFO(probed.status().ToString());
  REQUIRE(probed.ok());
  if (const std::optional<HostTraits> known = TraitsByModule()) {
    CHECK(probed->exact_windows == known->exact_windows);
    CHECK(probed->set_tpr_exits == known->set_tpr_exits);
    CHECK(probed->rdtsc_obeys_offset == known->rdtsc_obeys_offset);
  }
  const auto found = FindHostTraits(KvmOrSkip());
  REQUIRE(found.ok());
  CHECK(found->exact_windows == probed->exact_windows);
  CHECK(found->set_tpr_exits == probed->set_tpr_exits);
  CHECK(found->tsc_deadline_exits <= probed->tsc_deadline_exits);  // if in doubt, no
}

TEST_CASE("TSC-deadline mode is refused where nothing says that its MSR exits") {
  struct : Clock {
    uint64_t NowNs() override { return 0; }
    void Arm(int, uint64_t) override {}
  } clock;
  VmConfig config;
  config.tsc_deadline = true;
  for (const std::optional<HostTraits>& traits :
       {std::optional<HostTraits>(), std::optional(HostTraits{.exact_windows = true})}) {
    config.traits = traits;
    const absl::Status status = Vm::Create(KvmOrSkip(), config, clock).status();
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  }
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
