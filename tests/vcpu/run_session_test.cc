// What a thread's stay inside Run leaves behind, step by step.

#include <csignal>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <muster/vcpu/run/session.h>

#include "kvm_fixture.h"

namespace muster::vcpu {
namespace {

constexpr int kKick = SIGUSR1;

bool KickIs(int (*get)(sigset_t*)) {
  sigset_t set;
  get(&set);
  return sigismember(&set, kKick) == 1;
}
int Blocked(sigset_t* set) { return pthread_sigmask(SIG_BLOCK, nullptr, set); }

TEST_CASE("a kick that is sent while Run ends is swallowed before it returns", "[stray-kick]") {
  signal(kKick, SIG_DFL);  // which would end the process
  const bool stays_blocked = GENERATE(false, true);
  sigset_t kick;
  sigemptyset(&kick);
  sigaddset(&kick, kKick);
  pthread_sigmask(stays_blocked ? SIG_BLOCK : SIG_UNBLOCK, &kick, nullptr);
  TestGuest guest;
  Doorbell doorbell(&guest.run().immediate_exit, kKick);
  KickMask mask{.signal = kKick, .stays_blocked = stays_blocked};
  for (int stay = 0; stay < 2; ++stay) {
    {
      const RunSession session(guest.vcpu(), doorbell, mask);
      REQUIRE(session.status().ok());
      REQUIRE(doorbell.EnterGuest());
      doorbell.Ring(kRequestMail);
      // The loop has seen all there was, and its ringer's signal came after that.
      REQUIRE(doorbell.LeaveGuest());
      REQUIRE(doorbell.Take(kRequestMail) != 0);
      CHECK(KickIs(sigpending));
    }
    CHECK_FALSE(KickIs(sigpending));
    CHECK(KickIs(Blocked) == stays_blocked);
  }
  pthread_sigmask(SIG_UNBLOCK, &kick, nullptr);
}

}  // namespace
}  // namespace muster::vcpu
