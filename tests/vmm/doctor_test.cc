#include <cstdio>
#include <string>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <muster/vmm/report/diagnosis.h>
#include <muster/vmm/report/json.h>

namespace muster::vmm {
namespace {

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
  CHECK(device->value.find("/nonexistent/kvm") != std::string::npos);
  CHECK(device->mend.find("./dev nested") != std::string::npos);
  CHECK(RenderDiagnosis(diagnosis, Style{}).find("Guests cannot run here.") != std::string::npos);
}

TEST_CASE("doctor: a device that is not KVM is told as such") {
  const Diagnosis diagnosis = DiagnoseHost("/dev/null");
  CHECK_FALSE(diagnosis.CanRun());
  CHECK(Find(diagnosis, "device")->verdict == Finding::Verdict::kYes);
  CHECK(Find(diagnosis, "api-version")->value == "not KVM");
  CHECK(ToJson(diagnosis).find("\"can_run\": false") != std::string::npos);
}

TEST_CASE("doctor: on a usable KVM each capability and trait is named", "[kvm]") {
  if (access("/dev/kvm", R_OK | W_OK) != 0) {
    std::puts("skipped: /dev/kvm cannot be used here");
    std::fflush(stdout);
    _exit(77);
  }
  const Diagnosis diagnosis = DiagnoseHost("/dev/kvm");
  CHECK(diagnosis.CanRun());
  for (const char* id : {"KVM_CAP_SYNC_REGS", "KVM_CAP_X86_MSR_FILTER", "execution",
                         "interrupt-windows", "set-tpr", "tsc-deadline", "vcpus"}) {
    INFO(id);
    CHECK(Find(diagnosis, id) != nullptr);
  }
}

}  // namespace
}  // namespace muster::vmm
