// A process that has run vCPUs forks, and its child makes a VM of its own: that VM's kicks go to
// the child's thread, though its thread-local variables are its parent's.
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "small_vm.h"

namespace vcpu = muster::vcpu;

int main() {
  {
    SmallVm parent(OUT_FOR_EVER);
    CHECK(std::holds_alternative<vcpu::PortExit>(parent.cpu(0).Run()));
  }
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(20);                  // a kick that is lost
    SmallVm own({0xeb, 0xfe});  // jmp $
    std::thread stopper([&own] {
      usleep(200'000);  // by then it is in the guest
      own->Stop();
    });
    const bool stopped = std::holds_alternative<vcpu::StoppedExit>(own.cpu(0).Run());
    stopper.join();
    _exit(stopped ? 0 : 1);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
