// Stays in Run that follow each other on two threads, and a kick that outlasts one: what
// kick_stays.pml searches, once, with the real code.

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <muster/rendezvous/sync.h>
#include <muster/vcpu/run/doorbell.h>
#include <muster/vcpu/run/session.h>

namespace {

// Between the count of a kick and the look at whom it is for.
std::atomic<bool> hold_kicks{false}, kick_held{false};

}  // namespace

void muster::model::AtMark(const char* name) {
  if (std::strcmp(name, "Kick") != 0 || !hold_kicks.load()) return;
  kick_held.store(true);
  while (hold_kicks.load()) std::this_thread::yield();
}

namespace muster::vcpu {
namespace {

constexpr int kKick = SIGUSR1;

sigset_t BlockKick() {
  sigset_t kick;
  sigemptyset(&kick);
  sigaddset(&kick, kKick);
  pthread_sigmask(SIG_BLOCK, &kick, nullptr);
  return kick;
}

void Await(const std::atomic<bool>& flag) {
  while (!flag.load()) std::this_thread::yield();
}

// A stay, as RunSession has it, in which `inside` is done. Whether a kick is pending after it.
template <typename Inside>
bool Stay(Doorbell& doorbell, std::atomic<bool>& claimed, Inside inside) {
  sigset_t signals = BlockKick();
  while (!doorbell.Claim(gettid())) std::this_thread::yield();
  const uint64_t before = doorbell.kicks();
  claimed.store(true);
  inside();
  doorbell.Release();
  if (doorbell.kicks() != before) SwallowKick(kKick);
  sigpending(&signals);
  return sigismember(&signals, kKick) == 1;
}

TEST_CASE("a kick of the stay before is over when the next one begins, on another thread",
          "[stray-kick]") {
  uint8_t immediate_exit = 0;
  Doorbell doorbell(&immediate_exit, kKick);
  std::atomic<bool> first_claimed{false}, second_claimed{false}, in_guest{false};
  std::atomic<bool> left_in_first{false}, left_in_second{false};
  hold_kicks.store(true);
  std::thread first([&] {
    left_in_first = Stay(doorbell, first_claimed, [&] {
      doorbell.EnterGuest();
      in_guest.store(true);
      Await(kick_held);
      if (doorbell.LeaveGuest()) SwallowKick(kKick);
    });
  });
  Await(in_guest);
  std::thread ringer([&] { doorbell.Ring(kRequestMail); });
  Await(kick_held);
  std::thread second([&] { left_in_second = Stay(doorbell, second_claimed, [] {}); });
  // The time that the second is given to do what it must not.
  for (int i = 0; i < 200 && !second_claimed.load(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK_FALSE(second_claimed.load());
  hold_kicks.store(false);
  ringer.join();
  first.join();
  second.join();
  CHECK_FALSE(left_in_first.load());
  CHECK_FALSE(left_in_second.load());
}

}  // namespace
}  // namespace muster::vcpu
