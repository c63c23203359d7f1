#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

#include <muster/vmm/cli/doctor_command.h>
#include <muster/vmm/cli/list_command.h>
#include <muster/vmm/cli/options.h>
#include <muster/vmm/cli/put_out.h>
#include <muster/vmm/cli/run_command.h>
#include <muster/vmm/cli/stress_command.h>

namespace {

// Whoever starts this may have closed some of descriptors 0 to 2. The next file that is opened
// would take such a number, and what is meant for the terminal would go into it. To be read only:
// an output that is not there is an error, and not lost in silence.
void OpenStandardDescriptors() {
  int fd;
  do {
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace muster::vmm;
  OpenStandardDescriptors();
  const Options options = ParseCommandLine(argc, argv);
  if (const auto* run = std::get_if<RunOptions>(&options)) return RunCommand(*run);
  if (std::holds_alternative<ListOptions>(options)) return ListCommand();
  if (const auto* doctor = std::get_if<DoctorOptions>(&options)) return DoctorCommand(*doctor);
  if (const auto* stress = std::get_if<StressOptions>(&options)) return StressCommand(*stress);
  const auto& text = std::get<PrintAndExit>(options);
  Say(text.to_stderr);
  return PutOut(text.to_stdout, text.status);
}
