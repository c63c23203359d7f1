// Colours and durations.

#include <catch2/catch.hpp>

#include <muster/vmm/report/style.h>

namespace muster::vmm {
namespace {

TEST_CASE("colours only where the style has them") {
  CHECK(Style().Paint(Colour::kRed, "x") == "x");
  CHECK(Style{.colour = true}.Paint(Colour::kRed, "x") == "\x1b[31mx\x1b[0m");
}

TEST_CASE("durations have three digits and a unit") {
  CHECK(FormatDuration(482'000) == "482 us");
  CHECK(FormatDuration(12'340'000) == "12.3 ms");
  CHECK(FormatDuration(1'234'000'000) == "1.23 s");
  CHECK(FormatDuration(600'000'000'000) == "600.0 s");
}

}  // namespace
}  // namespace muster::vmm
