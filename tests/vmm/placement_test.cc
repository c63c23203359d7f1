#include <catch2/catch.hpp>

#include <muster/vmm/load/placement.h>

namespace muster::vmm {
namespace {

constexpr uint64_t kEnd = 0x10000;

TEST_CASE("the highest free place ends on RAM's end, the ceiling, or what is taken") {
  Placement placement(kEnd);
  CHECK(placement.FindHighest(0, kEnd, 0x1001, "a").value() == 0xe000);
  CHECK(placement.FindHighest(0, UINT64_MAX, 0x1000, "b").value() == 0xd000);
  CHECK(placement.FindHighest(0, 0x8800, 0x1000, "c").value() == 0x7000);
  CHECK(placement.FindHighest(0, 0x8800, 0x1000, "d").value() == 0x6000);
  CHECK(placement.FindHighest(0, kEnd, 0x1000, "e").value() == 0xc000);
}

TEST_CASE("a hole between taken parts holds what fits, and only that") {
  Placement placement(kEnd);
  placement.Take(0xc000, 0x4000);
  placement.Take(0x4000, 0x6000);
  CHECK(placement.FindHighest(0, kEnd, 0x3000, "large").value() == 0x1000);
  CHECK(placement.FindHighest(0, kEnd, 0x2000, "fits").value() == 0xa000);
}

TEST_CASE("where no place is high enough the error names what wanted it, and the mend") {
  Placement placement(kEnd);
  placement.Take(0x8000, 0x8000);
  CHECK(placement.FindHighest(0x7000, kEnd, 0x1000, "it").value() == 0x7000);
  CHECK(placement.FindHighest(0x7000, kEnd, 0x1000, "it").status().message() ==
        "it (4096 bytes) does not fit into guest memory, which ends at 0x10000; give more with "
        "--memory");
  CHECK(placement.FindHighest(0, 0x1000, 0x2000, "it").status().message() ==
        "it (8192 bytes) does not fit below 0x1000, where the image wants it");
  CHECK_FALSE(placement.FindHighest(0, UINT64_MAX, UINT64_MAX, "it").ok());
}

}  // namespace
}  // namespace muster::vmm
