// What is said of a meeting that lasts.

#include <catch2/catch.hpp>

#include <muster/vmm/report/wait_text.h>

#include "report_fixture.h"

namespace muster::vmm {
namespace {

using testing::kMs;

TEST_CASE("a meeting that lasts: who waits, for whom, since when and what they do") {
  rendezvous::Wait wait{
      .name = "INIT", .initiator = 2, .waited_ns = 1500 * kMs, .has_turn = true, .stragglers = {}};
  wait.stragglers.push_back({.cpu = 0,
                             .since_ns = 1500 * kMs,
                             .notified = true,
                             .asked_ns = 1400 * kMs,
                             .doing = "running, in the guest"});
  wait.stragglers.push_back({.cpu = 3, .started = true, .since_ns = 20 * kMs, .doing = "halted"});
  CHECK(RenderWait(wait) ==
        "muster: INIT by CPU 2 has waited 1.50 s for its CPUs\n"
        "  CPU 0: has not come, kicked 1.40 s ago; running, in the guest\n"
        "  CPU 3: in the function for 20 ms; halted\n");

  rendezvous::Wait behind{.name = "SIPI",
                          .waited_ns = 2000 * kMs,
                          .behind = "pause",
                          .behind_ns = 3000 * kMs,
                          .queued_before = 2,
                          .standing = {0, 1},
                          .stragglers = {}};
  CHECK(RenderWait(behind) ==
        "muster: SIPI by muster itself has waited 2.00 s for its turn, after pause by muster "
        "itself, 3.00 s ago, "
        "and 2 more; "
        "stopped: CPU "
        "0-1\n");
  behind.behind = "INIT";
  behind.behind_initiator = 3;
  behind.behind_ns = 0;
  CHECK(RenderWait(behind).find("its turn, after INIT by CPU 3, which is next, and 2 more;") !=
        std::string::npos);

  wait.stragglers.assign(20, {.cpu = 1, .overruns = 3, .doing = "running"});
  const std::string many = RenderWait(wait);
  CHECK(many.find("has not been told yet, HAS ENTERED THE GUEST since: a bug of Muster; running") !=
        std::string::npos);
  CHECK(many.find("  and 4 more\n") != std::string::npos);
}

}  // namespace
}  // namespace muster::vmm
