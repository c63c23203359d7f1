// The kick's signal stays inside Run, whatever its caller's mask. On real KVM.

#include <atomic>
#include <cerrno>
#include <csignal>
#include <poll.h>

#include <catch2/catch.hpp>

#include <muster/apic/message.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

sigset_t Kick() {
  sigset_t kick;
  sigemptyset(&kick);
  sigaddset(&kick, SIGUSR1);
  return kick;
}

// Blocks the kick in this thread, as VmConfig::kick_stays_blocked promises.
class KickBlocked {
 public:
  KickBlocked() {
    const sigset_t kick = Kick();
    pthread_sigmask(SIG_BLOCK, &kick, &before_);
  }
  ~KickBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

// Sends the bootstrap processor interrupts while it lives. Those of one that pauses find it in the
// guest, and kick it there; those of one that does not are mostly there before it enters.
class Sender {
 public:
  Sender(Vm& vm, long pause_ns) : thread_([this, &vm, pause_ns] { Send(vm, pause_ns); }) {}
  ~Sender() {
    done_.store(true);
    thread_.join();
  }

 private:
  void Send(Vm& vm, long pause_ns) {
    while (!done_.load()) {
      // The result is always OK for a fixed interrupt.
      (void)vm.SendMessage({.destination = 0, .x2apic = true, .vector = 0x40});
      const timespec pause{.tv_sec = 0, .tv_nsec = pause_ns};
      if (pause_ns != 0) ppoll(nullptr, 0, &pause, nullptr);
    }
  }

  std::atomic<bool> done_{false};
  std::thread thread_;
};

void LoadHandlerThatSays(TestVm& t) {
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(halt_open));
  t.Load(0x2000, MUSTER_SNIPPET(handler_says));
  t.SetIvt(0x40, 0x2000);
  REQUIRE(t.vm().SetStart({.mode = StartState::Mode::kReal, .rip = TestVm::kBspCode}).ok());
}

TEST_CASE("no kick reaches the thread outside Run", "[stray-kick]") {
  // A late one would end the process: the signal has its default action and is not blocked here.
  signal(SIGUSR1, SIG_DFL);
  const long pause_ns = GENERATE(0, 20'000);
  TestVm t(1);
  LoadHandlerThatSays(t);
  int interrupted = 0;
  {
    const Sender sender(t.vm(), pause_ns);
    for (int i = 0; i < 1'000; ++i) {
      const Exit exit = t.vm().vcpu(0).Run();
      REQUIRE(std::holds_alternative<PortExit>(exit));
      const timespec instant{.tv_sec = 0, .tv_nsec = 1};
      if (ppoll(nullptr, 0, &instant, nullptr) < 0 && errno == EINTR) ++interrupted;
    }
  }
  CHECK(interrupted == 0);
}

TEST_CASE("no kick is left in a thread that keeps it blocked", "[stray-kick]") {
  const KickBlocked blocked;
  TestVm t(1, {.kick_stays_blocked = true, .x2apic = true});
  LoadHandlerThatSays(t);
  int left = 0;
  {
    const Sender sender(t.vm(), 20'000);
    // At least so many, and until one has met the guest: on a busy machine that may take more.
    for (int i = 0; i < 1'000 || t.Look(0).counters.kicks == 0; ++i) {
      REQUIRE(std::holds_alternative<PortExit>(t.vm().vcpu(0).Run()));
      sigset_t pending;
      sigpending(&pending);
      left += sigismember(&pending, SIGUSR1);
    }
  }
  CHECK(left == 0);
}

TEST_CASE("a caller that promised to block the kick and does not is told", "[stray-kick]") {
  TestVm t(1, {.kick_stays_blocked = true, .x2apic = true});
  LoadHandlerThatSays(t);
  const Exit exit = t.vm().vcpu(0).Run();
  REQUIRE(std::holds_alternative<HostErrorExit>(exit));
  const absl::Status& status = std::get<HostErrorExit>(exit).status;
  CHECK(status.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(std::string(status.message()).find("stays blocked") != std::string::npos);
  // Nothing has happened to the vCPU, and the thread's mask is its own.
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  CHECK(sigismember(&mask, SIGUSR1) == 0);
  const Sender sender(t.vm(), 20'000);
  {
    const KickBlocked blocked;
    CHECK(std::holds_alternative<PortExit>(t.vm().vcpu(0).Run()));
  }
  // So is each thread that comes to the vCPU.
  Exit other = StoppedExit{};
  std::thread([&] { other = t.vm().vcpu(0).Run(); }).join();
  CHECK(std::holds_alternative<HostErrorExit>(other));
}

}  // namespace
}  // namespace muster::vcpu
