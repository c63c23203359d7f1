#include <string>

#include <catch2/catch.hpp>

#include <muster/vmm/report/doctor.h>

#include "need_kvm.h"

namespace muster::vmm {
namespace {

const Finding* Find(const Diagnosis& diagnosis, const std::string& id) {
  for (const Finding& finding : diagnosis.findings) {
    if (finding.id == id) return &finding;
  }
  return nullptr;
}

TEST_CASE("doctor: on a usable KVM each capability and trait is named", "[kvm]") {
  muster::testing::NeedKvm();
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
