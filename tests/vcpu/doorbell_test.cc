#include <atomic>
#include <chrono>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <thread>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <muster/vcpu/run/doorbell.h>
#include <muster/vcpu/run/session.h>

namespace muster::vcpu {
namespace {

constexpr int kKick = SIGUSR1;

// In the calling thread; returns the mask from before.
sigset_t BlockKick() {
  sigset_t kick, before;
  sigemptyset(&kick);
  sigaddset(&kick, kKick);
  pthread_sigmask(SIG_BLOCK, &kick, &before);
  return before;
}

// Stands in for KVM_RUN: looks at immediate_exit once, then stays until the kick signal is pending,
// and takes no notice of anything else. It gives up after ten seconds, which is a lost kick.
class FakeGuest {
 public:
  FakeGuest() {
    unblocked_ = BlockKick();
    sigdelset(&unblocked_, kKick);
    // ppoll, unlike KVM_RUN, runs the handler.
    struct sigaction nop {};
    nop.sa_handler = [](int) {};
    sigaction(kKick, &nop, nullptr);
  }
  // False: nobody kicked.
  bool Run(uint8_t& immediate_exit) {
    if (std::atomic_ref(immediate_exit).load(std::memory_order_relaxed) != 0) return true;
    const timespec ten_seconds{.tv_sec = 10, .tv_nsec = 0};
    return ppoll(nullptr, 0, &ten_seconds, &unblocked_) < 0;
  }

 private:
  sigset_t unblocked_;
};

TEST_CASE("a ring between the last look and KVM_RUN is not lost", "[lost-kick]") {
  uint8_t immediate_exit = 0;
  Doorbell doorbell(&immediate_exit, kKick);
  constexpr uint32_t kRings = 4'000;
  std::atomic<uint32_t> posted{0};
  uint32_t seen = 0;
  bool lost = false;

  std::thread owner([&] {
    FakeGuest guest;
    doorbell.Claim(gettid());
    while (seen < kRings && !lost) {
      if (doorbell.Take(kRequestMail) != 0) {
        seen = posted.load(std::memory_order_acquire);
        continue;
      }
      if (!doorbell.EnterGuest()) continue;
      const bool kicked = guest.Run(immediate_exit);
      if (doorbell.LeaveGuest()) SwallowKick(kKick);
      lost = !kicked;
    }
    doorbell.Release();
  });
  for (uint32_t i = 1; i <= kRings; ++i) {
    posted.store(i, std::memory_order_release);
    doorbell.Ring(kRequestMail);
    if (i % 3 == 0) std::this_thread::yield();
  }
  owner.join();
  CHECK_FALSE(lost);
  CHECK(seen == kRings);
}

TEST_CASE("a ring while the owner goes to sleep is not lost") {
  uint8_t immediate_exit = 0;
  Doorbell doorbell(&immediate_exit, kKick);
  constexpr uint32_t kRings = 20'000;
  std::atomic<uint32_t> acknowledged{0};

  std::thread owner([&] {
    doorbell.Claim(gettid());
    for (uint32_t seen = 0; seen < kRings;) {
      if (doorbell.Take(kRequestMail) != 0) acknowledged.store(++seen);
      doorbell.Park([] {});
    }
    doorbell.Release();
  });
  for (uint32_t i = 1; i <= kRings; ++i) {
    doorbell.Ring(kRequestMail);
    if (i == kRings) break;
    while (acknowledged.load() != i) std::this_thread::yield();
  }
  // A lost wake ends in the test's timeout, with the owner parked and its request set.
  INFO("rings acknowledged: " << acknowledged.load());
  doorbell.Ring(kRequestTimer);
  owner.join();
  CHECK(acknowledged.load() == kRings);
}

TEST_CASE("an owner that wakes waits for the one who borrowed it", "[helper-wake]") {
  uint8_t immediate_exit = 0;
  Doorbell doorbell(&immediate_exit, kKick);
  constexpr int kRounds = 2'000;
  int shared = 0;  // plain: whoever holds the run lock may touch it
  std::atomic<bool> done{false};
  int borrowed = 0;

  std::thread owner([&] {
    doorbell.Claim(gettid());
    for (int i = 0; i < kRounds; ++i) {
      ++shared;
      doorbell.Take(kRequestMail);
      doorbell.Park([] {});
      ++shared;
    }
    done.store(true);
    doorbell.Release();
  });
  std::thread waker([&] {
    while (!done.load()) {
      doorbell.Ring(kRequestMail);
      std::this_thread::yield();
    }
  });
  while (!done.load()) {
    if (doorbell.TryBorrow() == Execution::kBorrowed) {
      std::this_thread::yield();  // on a busy machine this would keep the owner waiting
      continue;
    }
    ++shared;
    ++borrowed;
    doorbell.GiveBack();
  }
  owner.join();
  waker.join();
  CHECK(shared == 2 * kRounds + borrowed);
}

TEST_CASE("giving back a parked vCPU does not wake it") {
  uint8_t immediate_exit = 0;
  Doorbell doorbell(&immediate_exit, kKick);
  std::atomic<bool> parked{false};
  std::atomic<int> returns{0};
  std::thread owner([&] {
    doorbell.Claim(gettid());
    while ((doorbell.requests() & kRequestStop) == 0) {
      doorbell.Park([&] { parked.store(true); });
      ++returns;
    }
    doorbell.Release();
  });
  while (!parked.load()) std::this_thread::yield();
  for (int i = 0; i < 1'000; ++i) {
    if (doorbell.TryBorrow() == Execution::kParked) doorbell.GiveBack();
  }
  CHECK(returns.load() == 0);
  doorbell.Ring(kRequestStop);
  owner.join();
  CHECK(returns.load() == 1);
}

TEST_CASE("a ring of a parked vCPU that is borrowed wakes it once it is given back",
          "[helper-wake]") {
  uint8_t immediate_exit = 0;
  Doorbell doorbell(&immediate_exit, kKick);
  std::atomic<bool> parked{false}, rung{false};
  std::thread owner([&] {
    doorbell.Claim(gettid());
    while ((doorbell.requests() & kRequestStop) == 0) {
      if (doorbell.Take(kRequestMail) != 0) rung.store(true);
      doorbell.Park([&] { parked.store(true); });
    }
    doorbell.Release();
  });
  while (!parked.load()) std::this_thread::yield();
  while (doorbell.TryBorrow() == Execution::kBorrowed) std::this_thread::yield();  // it woke early
  doorbell.Ring(kRequestMail);
  doorbell.GiveBack();
  // Ten seconds end what would be a wake that is lost: this ring is the only one.
  for (int i = 0; i < 10'000 && !rung.load(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(rung.load());
  doorbell.Ring(kRequestStop);
  owner.join();
}

TEST_CASE("a second thread cannot claim a vCPU, one that is borrowed can be claimed after") {
  uint8_t immediate_exit = 0;
  Doorbell doorbell(&immediate_exit, kKick);
  CHECK(doorbell.TryBorrow() == Execution::kFree);
  std::thread owner([&] {
    CHECK_NOTHROW(doorbell.Claim(gettid()));  // waits for the borrower
    doorbell.Release();
  });
  doorbell.GiveBack();
  owner.join();

  REQUIRE(doorbell.Claim(gettid()));
  bool second = true;
  std::thread([&] { second = doorbell.Claim(gettid()); }).join();
  CHECK_FALSE(second);
  doorbell.Release();
}

TEST_CASE("a ring of a vCPU in user code sends no signal") {
  uint8_t immediate_exit = 0;
  Doorbell doorbell(&immediate_exit, kKick);
  REQUIRE(doorbell.Claim(gettid()));
  for (int i = 0; i < 100; ++i) doorbell.Ring(kRequestMail);
  CHECK(doorbell.kicks() == 0);
  CHECK_FALSE(doorbell.EnterGuest());
  CHECK(doorbell.Take(kRequestMail) == kRequestMail);
  CHECK(doorbell.EnterGuest());
  CHECK_FALSE(doorbell.LeaveGuest());
  doorbell.Release();
}

TEST_CASE(
    "in an entry in which mail waits, mail and NMIs neither keep out nor kick, and all else does") {
  uint8_t immediate_exit = 0;
  Doorbell doorbell(&immediate_exit, kKick);
  BlockKick();
  REQUIRE(doorbell.Claim(gettid()));
  doorbell.Ring(kRequestMail);
  REQUIRE(doorbell.EnterGuest(/*mail_waits=*/true));
  doorbell.Ring(kRequestMail);
  doorbell.Ring(kRequestNmi);
  doorbell.Ring(kRequestExtInt);
  doorbell.Ring(kRequestWire);
  CHECK(doorbell.kicks() == 0);
  doorbell.Ring(kRequestMail | kRequestTimer);
  CHECK(doorbell.kicks() == 1);
  CHECK(doorbell.LeaveGuest());
  SwallowKick(kKick);
  CHECK_FALSE(doorbell.EnterGuest(/*mail_waits=*/true));
  CHECK(doorbell.Take(kRequestTimer) == kRequestTimer);
  CHECK_FALSE(doorbell.EnterGuest());
  CHECK(doorbell.Take(kRequestsOfMail) ==
        (kRequestMail | kRequestNmi | kRequestExtInt | kRequestWire));
  doorbell.Release();
}

TEST_CASE("leaving the guest clears immediate_exit and says that it was set") {
  uint8_t immediate_exit = 0;
  Doorbell doorbell(&immediate_exit, kKick);
  BlockKick();
  REQUIRE(doorbell.Claim(gettid()));
  REQUIRE(doorbell.EnterGuest());
  doorbell.Ring(kRequestMail);
  CHECK(immediate_exit == 1);
  CHECK(doorbell.kicks() == 1);
  CHECK(doorbell.LeaveGuest());
  CHECK(immediate_exit == 0);
  doorbell.Release();
  SwallowKick(kKick);
}

}  // namespace
}  // namespace muster::vcpu
