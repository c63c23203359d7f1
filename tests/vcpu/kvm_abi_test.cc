#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/abi.h>

extern "C" {
extern const unsigned long kKernelGetSupportedCpuid, kKernelSetCpuid2, kKernelGetMsrs,
    kKernelSetMsrs, kKernelSetSignalMask;
}

namespace muster::vcpu {
namespace {

TEST_CASE("ioctl numbers of flexible-array structures are those of C") {
  CHECK(kGetSupportedCpuid == kKernelGetSupportedCpuid);
  CHECK(kSetCpuid2 == kKernelSetCpuid2);
  CHECK(kGetMsrs == kKernelGetMsrs);
  CHECK(kSetMsrs == kKernelSetMsrs);
  CHECK(kSetSignalMask == kKernelSetSignalMask);
}

}  // namespace
}  // namespace muster::vcpu
