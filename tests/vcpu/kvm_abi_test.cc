#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/abi.h>

extern "C" {
extern const unsigned long kernel_get_supported_cpuid, kernel_set_cpuid2, kernel_get_msrs,
    kernel_set_msrs, kernel_set_signal_mask;
}

namespace muster::vcpu {
namespace {

TEST_CASE("ioctl numbers of flexible-array structures are those of C") {
  CHECK(kGetSupportedCpuid == kernel_get_supported_cpuid);
  CHECK(kSetCpuid2 == kernel_set_cpuid2);
  CHECK(kGetMsrs == kernel_get_msrs);
  CHECK(kSetMsrs == kernel_set_msrs);
  CHECK(kSetSignalMask == kernel_set_signal_mask);
}

}  // namespace
}  // namespace muster::vcpu
