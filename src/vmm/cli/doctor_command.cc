#include <unistd.h>

#include <muster/vmm/cli/doctor_command.h>
#include <muster/vmm/cli/kvm_device.h>
#include <muster/vmm/cli/put_out.h>
#include <muster/vmm/cli/terminal.h>
#include <muster/vmm/machine/ending.h>
#include <muster/vmm/report/doctor.h>
#include <muster/vmm/report/json.h>

namespace muster::vmm {

int DoctorCommand(const DoctorOptions& options) {
  const Diagnosis diagnosis = DiagnoseHost(KvmDevice());
  const std::string text =
      options.json ? ToJson(diagnosis) : RenderDiagnosis(diagnosis, StyleFor(STDOUT_FILENO));
  return PutOut(text, diagnosis.CanRun() ? kExitClean : kExitNoKvm);
}

}  // namespace muster::vmm
