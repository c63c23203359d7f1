// A run in which a defect of this program was seen has failed, however its guest has ended. On KVM,
// with a defect that is made up: none can be made on purpose.

#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>

#include <catch2/catch.hpp>

#include <muster/vcpu/kvm/fd.h>
#include <muster/vmm/machine/defects.h>
#include <muster/vmm/machine/machine.h>
#include <muster/vmm/serial/fd_peer.h>

#include "need_kvm.h"

namespace muster::vmm {
namespace {

std::string seen_defects;

}  // namespace

std::string DescribeDefects(const rendezvous::Counters&) { return seen_defects; }

namespace {

// Of a guest that writes `value` to the debug-exit port, in a run that has seen `defects`.
Ending EndOf(uint8_t value, const std::string& defects) {
  muster::testing::NeedKvm();
  seen_defects = defects;
  sigset_t kick;
  sigemptyset(&kick);
  sigaddset(&kick, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &kick, nullptr);  // see Machine::Create

  const absl::StatusOr<vcpu::System> system = vcpu::System::Open();
  REQUIRE(system.ok());
  absl::StatusOr<GuestMemory> memory = GuestMemory::Create(GuestMemory::kSmallest);
  REQUIRE(memory.ok());
  const uint8_t code[] = {0xb8, value, 0, 0, 0, 0xe7, 0xf4, 0xeb, 0xfe};  // mov; out 0xf4, eax
  REQUIRE(memory->Write(0x1000, code).ok());
  const vcpu::Fd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  FdPeer serial(/*input_fd=*/-1, nowhere.get());
  MachineConfig config;
  config.cpus = 1;
  config.serial = &serial;
  auto machine = Machine::Create(*system, config, *std::move(memory), {.rip = 0x1000});
  REQUIRE(machine.ok());
  REQUIRE((*machine)->Start().ok());
  while (!(*machine)->finished()) {
    pollfd news{(*machine)->news_fd(), POLLIN, 0};
    poll(&news, 1, -1);
    (*machine)->Tend();
  }
  (*machine)->Finish();
  return *(*machine)->ending();
}

TEST_CASE(
    "a defect ends a run as failed, over the guest's own ending, which it tells if it failed") {
  const std::string defect = "a CPU has done what none must (1)";
  const Ending passed = EndOf(0, "");
  CHECK(passed.kind == Ending::Kind::kGuestExit);
  CHECK(IsPass(passed));

  const Ending over_pass = EndOf(0, defect);
  CHECK(over_pass.kind == Ending::Kind::kDefect);
  CHECK(over_pass.detail == defect);
  CHECK(ExitStatusOf(over_pass) == 14);

  const Ending over_failure = EndOf(3, defect);
  CHECK(over_failure.kind == Ending::Kind::kDefect);
  CHECK(over_failure.detail == defect + "; it had ended by guest-exit: debug-exit port 0xf4");
  CHECK(ExitStatusOf(over_failure) == 14);
}

}  // namespace
}  // namespace muster::vmm
