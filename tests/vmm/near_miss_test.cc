#include <catch2/catch.hpp>

#include <muster/vmm/cli/near_miss.h>

namespace muster::vmm {
namespace {

TEST_CASE("a slip of the keyboard is told from another word") {
  const std::vector<std::string> known = {"stdio", "console", "pty", "none"};
  CHECK(NearMiss("sdtio", known) == "stdio");
  CHECK(NearMiss("stdioo", known) == "stdio");
  CHECK(NearMiss("stio", known) == "stdio");
  CHECK(NearMiss("stdia", known) == "stdio");
  CHECK(NearMiss("consoel", known) == "console");
  CHECK(NearMiss("cnosoel", known) == "console");
  CHECK(NearMiss("pt", known) == "pty");
  CHECK(NearMiss("sdtoi", known) == "");  // two, in a short word
  CHECK(NearMiss("con", known) == "console");
  CHECK(NearMiss("p", known) == "pty");
  CHECK(NearMiss("--s", {"--serial", "--stats"}) == "");  // begins two
  CHECK(NearMiss("--cpu", {"--cpuset-of-host", "--cpus"}) == "--cpus");
  CHECK(NearMiss("", {"pty"}) == "");
  CHECK(NearMiss("log", known) == "");
  CHECK(NearMiss("", known) == "");
  CHECK(NearMiss(std::string(100'000, 'x'), {std::string(100'000, 'x') + "y"}) == "");
  CHECK(ButIs("sdtio", known) == ", but stdio is");
  CHECK(ButIs("log", known) == "");
}

}  // namespace
}  // namespace muster::vmm
