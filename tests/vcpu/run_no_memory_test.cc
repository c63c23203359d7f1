// Memory runs out at each allocation of the end of a pause in turn: the CPUs and the clock go on
// all the same. On real KVM.

#include <atomic>
#include <cstdlib>
#include <new>
#include <optional>
#include <thread>

#include <catch2/catch.hpp>

#include <muster/rendezvous/observer.h>

#include "test_vm.h"

namespace {

// How many allocations of this thread still succeed; negative: all do.
thread_local long allocations_left = -1;

}  // namespace

void* operator new(std::size_t size) {
  if (allocations_left == 0) {
    allocations_left = -1;
    throw std::bad_alloc();
  }
  if (allocations_left > 0) --allocations_left;
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace muster::vcpu {
namespace {

constexpr uint64_t kTenSeconds = 10'000'000'000;

// Knows when a call waits for its turn.
class QueueWatch : public rendezvous::Observer {
 public:
  void Waits(const rendezvous::Wait& wait) override {
    if (wait.has_turn) return;
    queued_ = true;
    queued_.notify_all();
  }
  void AwaitQueued() { queued_.wait(false); }

 private:
  std::atomic<bool> queued_{false};
};

enum class By { kResume, kDestruction };
enum class End { kEnough, kDidWithout, kThrown };

// Ends a pause with memory for so many allocations, and sees all go on.
End EndPause(long allocations, By by) {
  QueueWatch watch;
  TestVm t(2, {.x2apic = true, .observer = &watch, .report_waits_after_ns = 1'000'000});
  t.Load(TestVm::kBspCode, MUSTER_SNIPPET(ap_counts));
  t.Start();
  t.Await("counting", [&] { return t.Word(0x600) > 0; });
  absl::StatusOr<Pause> made = t.vm().Pause(kTenSeconds);
  REQUIRE(made.ok());
  std::optional<Pause> pause(*std::move(made));
  // Has what the pause waited with, so that the end of that needs memory for another.
  std::atomic<bool> paused_again{false};
  std::thread other([&] { paused_again = t.vm().Pause(kTenSeconds).ok(); });
  watch.AwaitQueued();
  const uint32_t count = t.Word(0x600);
  const uint64_t now = t.ClockNs();
  // Before the second pause holds the clock, and sets it going in its end.
  bool clock_went_on = false;
  t.clock().AtNextLook(other.get_id(), [&] { clock_went_on = t.ClockNs() > now; });

  bool thrown = false;
  allocations_left = allocations;
  try {
    if (by == By::kResume) {
      (void)pause->Resume();
    } else {
      pause.reset();
    }
  } catch (const std::bad_alloc&) {
    thrown = true;
  }
  const bool had_enough = allocations_left >= 0;
  allocations_left = -1;

  INFO(allocations << " allocations");
  other.join();
  CHECK(paused_again);
  CHECK(clock_went_on);
  t.Await("counting", [&] { return t.Word(0x600) != count; });
  if (pause) {
    CHECK(pause->standing().Empty());
    CHECK(pause->Resume().ok());  // there is nothing left for it to do
  }
  return thrown ? End::kThrown : had_enough ? End::kEnough : End::kDidWithout;
}

TEST_CASE("a pause that has no memory to end lets the CPUs and the clock go on") {
  const By by = GENERATE(By::kResume, By::kDestruction);
  int thrown = 0, did_without = 0;  // as it does without a report of its wait, where that lasts
  for (long allocations = 0;; ++allocations) {
    const End end = EndPause(allocations, by);
    if (end == End::kEnough) break;
    ++(end == End::kThrown ? thrown : did_without);
  }
  if (by == By::kResume) CHECK(thrown > 0);
  if (by == By::kDestruction) CHECK(did_without > 0);
}

}  // namespace
}  // namespace muster::vcpu
