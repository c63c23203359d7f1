// What makes a run a failure of this program, whatever its guest has said.

#include <catch2/catch.hpp>

#include <muster/vmm/machine/defects.h>

namespace muster::vmm {
namespace {

TEST_CASE("a run's defects are named with how often each was seen, and else nothing is said") {
  CHECK(DescribeDefects({}).empty());
  CHECK(DescribeDefects({.calls = 7, .refused = 1, .reports = 2}).empty());
  CHECK(DescribeDefects({.overruns = 2}) ==
        "a defect of muster itself: 2 times a CPU entered the guest that was told to meet first");
  CHECK(DescribeDefects({.escapes = 1, .lost_wakes = 3}) ==
        "a defect of muster itself: 1 times a CPU entered the guest in a standstill, 3 times a CPU "
        "slept that had reason to be awake");
}

}  // namespace
}  // namespace muster::vmm
