#include <catch2/catch.hpp>

#include <muster/vmm/cli/quantity.h>

namespace muster::vmm {
namespace {

TEST_CASE("sizes take K, M and G") {
  CHECK(*ParseSize("0") == 0);
  CHECK(*ParseSize("4096") == 4096);
  CHECK(*ParseSize("64K") == 65536);
  CHECK(*ParseSize("256M") == uint64_t{256} << 20);
  CHECK(*ParseSize("16G") == uint64_t{16} << 30);
}

TEST_CASE("what is no size says why") {
  const auto why = [](const char* text) { return std::string(ParseSize(text).status().message()); };
  const std::string mend = "; write a number and K, M or G, like 256M";
  CHECK(why("") == "'' does not begin with a whole number" + mend);
  CHECK(why("M") == "'M' does not begin with a whole number" + mend);
  CHECK(why("-1") == "'-1' does not begin with a whole number" + mend);
  CHECK(why(" 1") == "' 1' does not begin with a whole number" + mend);
  CHECK(why("1m") == "'1m' has no unit that is known" + mend);
  CHECK(why("1MB") == "'1MB' has no unit that is known" + mend);
  CHECK(why("1.5G") == "'1.5G' is no whole number" + mend);
  CHECK(why("18446744073709551616") == "'18446744073709551616' is too large");
  CHECK(why("99999999999G") == "'99999999999G' is too large");
}

TEST_CASE("times take ms, s and m, and need one") {
  CHECK(*ParseDuration("500ms") == 500'000'000);
  CHECK(*ParseDuration("10s") == 10'000'000'000);
  CHECK(*ParseDuration("2m") == 120'000'000'000);
  CHECK_FALSE(ParseDuration("10").ok());
  CHECK_FALSE(ParseDuration("0s").ok());
  CHECK_FALSE(ParseDuration("99999999999m").ok());
}

}  // namespace
}  // namespace muster::vmm
