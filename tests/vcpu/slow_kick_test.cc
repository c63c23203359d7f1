// A kick whose sender is held up between its decision to send and the signal.

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdarg>
#include <dlfcn.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <muster/vcpu/run/doorbell.h>
#include <muster/vcpu/run/session.h>

namespace {

std::atomic<bool> hold_signals{false}, signal_held{false};

}  // namespace

// The C library's, but for signals that are held.
extern "C" long syscall(long number, ...) noexcept {
  using Syscall = long (*)(long, ...);
  static const auto kNext = reinterpret_cast<Syscall>(dlsym(RTLD_NEXT, "syscall"));
  if (number == SYS_tgkill && hold_signals.load()) {
    signal_held.store(true);
    while (hold_signals.load()) std::this_thread::yield();
  }
  va_list list;
  va_start(list, number);
  long arguments[6];
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  return kNext(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
               arguments[5]);
}

namespace muster::vcpu {
namespace {

TEST_CASE("an owner does not leave while a kick is on its way to it", "[stray-kick]") {
  constexpr int kKick = SIGUSR1;
  uint8_t immediate_exit = 0;
  Doorbell doorbell(&immediate_exit, kKick);
  std::atomic<bool> inside{false}, left{false}, pending{false};
  hold_signals.store(true);
  std::thread owner([&] {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, kKick);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    doorbell.Claim(gettid());
    doorbell.EnterGuest();
    inside.store(true);
    while (!signal_held.load()) std::this_thread::yield();
    doorbell.LeaveGuest();
    doorbell.Release();
    left.store(true);
    sigpending(&signals);
    pending.store(sigismember(&signals, kKick) == 1);
    SwallowKick(kKick);
  });
  while (!inside.load()) std::this_thread::yield();
  std::thread ringer([&] { doorbell.Ring(kRequestMail); });
  while (!signal_held.load()) std::this_thread::yield();
  // The time that an owner is given to do what it must not.
  for (int i = 0; i < 200 && !left.load(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK_FALSE(left.load());
  hold_signals.store(false);
  ringer.join();
  owner.join();
  CHECK(pending.load());
}

}  // namespace
}  // namespace muster::vcpu
