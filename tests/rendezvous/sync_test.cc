#include <thread>

#include <catch2/catch.hpp>

#include <muster/rendezvous/sync.h>

namespace muster::sync {
namespace {

TEST_CASE("a wake between the look and the sleep is not lost") {
  constexpr int kRounds = 50'000;
  ParkingSpot ping, pong;
  Atomic<int> request{0}, answer{0};
  std::thread server([&] {
    for (int round = 1; round <= kRounds; ++round) {
      for (;;) {
        const uint32_t seen = ping.Prepare();
        if (request.Load(std::memory_order_acquire) == round) break;
        ping.Park(seen);
      }
      answer.Store(round, std::memory_order_release);
      pong.Wake();
    }
  });
  for (int round = 1; round <= kRounds; ++round) {
    request.Store(round, std::memory_order_release);
    ping.Wake();
    for (;;) {
      const uint32_t seen = pong.Prepare();
      if (answer.Load(std::memory_order_acquire) == round) break;
      pong.Park(seen);
    }
  }
  server.join();
  SUCCEED();
}

TEST_CASE("parking ends at its deadline, not before") {
  ParkingSpot spot;
  const uint64_t deadline = Now() + 2'000'000;
  while (Now() < deadline) spot.Park(spot.Prepare(), deadline);
  CHECK(Now() >= deadline);
  spot.Park(spot.Prepare(), 0);  // long past
}

TEST_CASE("a thread knows how many locks it holds") {
  Mutex a, b;
  CHECK(ThisThread().locks_held == 0);
  {
    MutexLock lock(a);
    CHECK(ThisThread().locks_held == 1);
    b.Lock();
    CHECK(ThisThread().locks_held == 2);
    std::thread other([] {
      if (ThisThread().locks_held != 0) std::abort();
    });
    other.join();
    b.Unlock();
  }
  CHECK(ThisThread().locks_held == 0);
}

TEST_CASE("a condition variable wakes, and gives up at its deadline") {
  Mutex mutex;
  CondVar condition;
  bool ready = false;
  {
    MutexLock lock(mutex);
    CHECK_FALSE(condition.WaitUntil(mutex, Now() + 1'000'000));
  }
  std::thread other([&] {
    MutexLock lock(mutex);
    ready = true;
    condition.Signal();
  });
  {
    MutexLock lock(mutex);
    while (!ready) condition.Wait(mutex);
  }
  other.join();
  CHECK(ready);
}

TEST_CASE("an AtomicRef exchanges in memory that is laid out elsewhere") {
  struct alignas(8) Page {
    uint8_t request_interrupt_window, immediate_exit, rest[6];
  } page{};
  AtomicRef<uint8_t> immediate_exit(page.immediate_exit);
  immediate_exit.Store(1, std::memory_order_seq_cst);
  CHECK(page.immediate_exit == 1);
  CHECK(immediate_exit.Exchange(0, std::memory_order_seq_cst) == 1);
  CHECK(page.request_interrupt_window == 0);
  CHECK(page.immediate_exit == 0);
}

}  // namespace
}  // namespace muster::sync
