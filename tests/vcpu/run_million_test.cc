// What would show one time in a million.

#include <catch2/catch.hpp>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

TEST_CASE("of a million calls of a CPU that never exits none is lost", "[lost-kick]") {
  TestVm t(2);
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(spin));
  t.Start();
  t.AwaitWrites(0x10, 1);
  int missing = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    if (t.vm().InspectAll(10'000'000'000).size() != 2) ++missing;
  }
  CHECK(missing == 0);
  CHECK(t.vm().meeting_counters().overruns == 0);
}

}  // namespace
}  // namespace muster::vcpu
