#include <cstdio>

#include <muster/vmm/cli/doctor_command.h>
#include <muster/vmm/cli/list_command.h>
#include <muster/vmm/cli/options.h>
#include <muster/vmm/cli/run_command.h>

int main(int argc, char** argv) {
  using namespace muster::vmm;
  const Options options = ParseCommandLine(argc, argv);
  if (const auto* run = std::get_if<RunOptions>(&options)) return RunCommand(*run);
  if (std::holds_alternative<ListOptions>(options)) return ListCommand();
  if (const auto* doctor = std::get_if<DoctorOptions>(&options)) return DoctorCommand(*doctor);
  const auto& text = std::get<PrintAndExit>(options);
  std::fputs(text.to_stdout.c_str(), stdout);
  std::fputs(text.to_stderr.c_str(), stderr);
  return text.status;
}
