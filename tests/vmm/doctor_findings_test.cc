#include <string>

#include <catch2/catch.hpp>

#include <muster/vmm/report/doctor.h>
#include <muster/vmm/report/json.h>

namespace muster::vmm {
namespace {

using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;

const Finding* Find(const Diagnosis& diagnosis, const std::string& id) {
  for (const Finding& finding : diagnosis.findings) {
    if (finding.id == id) return &finding;
  }
  return nullptr;
}

TEST_CASE("doctor: without a device guests cannot run, and the mend is said") {
  const Diagnosis diagnosis = DiagnoseHost("/nonexistent/kvm");
  CHECK_FALSE(diagnosis.CanRun());
  const Finding* device = Find(diagnosis, "device");
  REQUIRE(device != nullptr);
  CHECK(device->verdict == Finding::Verdict::kNo);
  CHECK_THAT(device->value, StartsWith("cannot open /nonexistent/kvm") && !Contains(";"));
  CHECK_THAT(device->mend,
             !StartsWith("or") && Contains("; or run on an emulated machine: ./dev "));
  CHECK_THAT(RenderDiagnosis(diagnosis, Style{}),
             Contains("  !  /nonexistent/kvm opens  no\n") &&
                 Contains("\nTo mend, or to know:\n  /nonexistent/kvm opens: " + device->value +
                          "; " + device->mend + "\n") &&
                 EndsWith("\nGuests cannot run here.\n"));
}

TEST_CASE("doctor: a device that is not KVM is told as such") {
  const Diagnosis diagnosis = DiagnoseHost("/dev/null");
  CHECK_FALSE(diagnosis.CanRun());
  CHECK(Find(diagnosis, "device")->verdict == Finding::Verdict::kYes);
  CHECK(Find(diagnosis, "api-version")->value == "not KVM");
  CHECK(ToJson(diagnosis).find("\"can_run\": false") != std::string::npos);
}

TEST_CASE("doctor: why guests cannot run is never cut, however narrow the terminal") {
  const std::string why(300, 'w');
  const Diagnosis diagnosis{{{"a", Finding::Verdict::kNo, "one thing", why, ""}}};
  CHECK_THAT(RenderDiagnosis(diagnosis, Style{.terminal_width = 40}),
             Contains("  !  one thing  no\n") && Contains("\n  one thing: " + why + "\n"));
}

TEST_CASE("doctor: a row is marked where it keeps guests from running, and nowhere else") {
  const Diagnosis diagnosis{{{"a", Finding::Verdict::kYes, "one thing", "yes", ""},
                             {"b", Finding::Verdict::kNo, "another", "missing", "get it"},
                             {"c", Finding::Verdict::kNote, "a third", "7", ""}}};
  CHECK("\n" + RenderDiagnosis(diagnosis, Style{}) == R"(
     WHAT       FOUND
     one thing  yes
  !  another    missing
     a third    7

To mend, or to know:
  another: get it

Guests cannot run here.
)");
}

}  // namespace
}  // namespace muster::vmm
