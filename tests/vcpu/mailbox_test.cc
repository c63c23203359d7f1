#include <array>
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include <muster/vcpu/irq/mailbox.h>

namespace muster::vcpu {
namespace {

using apic::TriggerMode;
using Mail = std::vector<std::pair<int, TriggerMode>>;

Mail DrainAll(Mailbox& box) {
  Mail mail;
  box.Drain([&](uint8_t vector, TriggerMode trigger) { mail.emplace_back(vector, trigger); });
  return mail;
}

TEST_CASE("mail comes out highest vector first, once") {
  Mailbox box;
  for (int vector : {0x31, 0xff, 0x10, 0x40, 0x3f}) {
    CHECK(box.Post(static_cast<uint8_t>(vector), TriggerMode::kEdge));
  }
  CHECK(DrainAll(box) == Mail{{0xff, TriggerMode::kEdge},
                              {0x40, TriggerMode::kEdge},
                              {0x3f, TriggerMode::kEdge},
                              {0x31, TriggerMode::kEdge},
                              {0x10, TriggerMode::kEdge}});
  CHECK(DrainAll(box).empty());
}

TEST_CASE("edges of one vector merge in the mailbox") {
  Mailbox box;
  CHECK(box.Post(0x55, TriggerMode::kEdge));
  CHECK_FALSE(box.Post(0x55, TriggerMode::kEdge));
  CHECK(DrainAll(box).size() == 1);
}

TEST_CASE("a vector posted as edge and as level arrives once, as level") {
  Mailbox box;
  box.Post(0x55, TriggerMode::kEdge);
  box.Post(0x55, TriggerMode::kLevel);
  CHECK(DrainAll(box) == Mail{{0x55, TriggerMode::kLevel}});
}

TEST_CASE("the trigger mode of a vector is never seen apart from its request") {
  Mailbox box;
  constexpr int kRounds = 20'000;
  std::atomic<bool> done{false};
  // Even vectors are always level, odd ones always edge.
  std::thread poster([&] {
    for (int i = 0; i < kRounds; ++i) {
      const auto vector = static_cast<uint8_t>(0x20 + i % 64);
      box.Post(vector, vector % 2 == 0 ? TriggerMode::kLevel : TriggerMode::kEdge);
    }
    done.store(true);
  });
  int wrong = 0;
  int seen = 0;
  const auto check = [&](uint8_t vector, TriggerMode trigger) {
    ++seen;
    if ((trigger == TriggerMode::kLevel) != (vector % 2 == 0)) ++wrong;
  };
  while (!done.load()) box.Drain(check);
  poster.join();
  box.Drain(check);
  CHECK(seen > 0);
  CHECK(wrong == 0);
}

TEST_CASE("what a sender wrote before it posted is visible to who drains") {
  Mailbox box;
  constexpr int kRounds = 20'000;
  int payload = 0;  // plain: TSan objects unless the post orders it
  std::atomic<int> taken{0};
  std::thread poster([&] {
    for (int i = 1; i <= kRounds; ++i) {
      payload = i;
      box.Post(0x80, TriggerMode::kEdge);
      while (taken.load(std::memory_order_acquire) != i) std::this_thread::yield();
    }
  });
  int wrong = 0;
  for (int got = 0; got < kRounds;) {
    box.Drain([&](uint8_t, TriggerMode) {
      ++got;
      if (payload != got) ++wrong;
      taken.store(got, std::memory_order_release);
    });
  }
  poster.join();
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace muster::vcpu
