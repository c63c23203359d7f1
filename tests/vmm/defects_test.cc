// What is said of a run in which a defect of this program was seen.

#include <catch2/catch.hpp>

#include <muster/vmm/machine/defects.h>
#include <muster/vmm/machine/ending.h>

namespace muster::vmm {
namespace {

TEST_CASE("a run's defects are named with how often each was seen, and else nothing is said") {
  CHECK(DescribeDefects({}).empty());
  CHECK(DescribeDefects({.calls = 7, .refused = 1, .reports = 2}).empty());
  CHECK(DescribeDefects({.overruns = 2}) ==
        "a CPU that was told to meet others first has entered the guest (2)");
  CHECK(DescribeDefects({.escapes = 1, .lost_wakes = 3}) ==
        "a CPU that stood still has entered the guest (1); a CPU that had reason to be awake has "
        "slept (3)");
  const Ending ending{.kind = Ending::Kind::kDefect};
  CHECK(ExitStatusOf(ending) == kExitHostFailure);
  CHECK_FALSE(IsPass(ending));
}

}  // namespace
}  // namespace muster::vmm
