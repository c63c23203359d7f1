// Memory runs out at each allocation of a call in turn: the call says so by std::bad_alloc, or does
// without, and leaves nothing behind that a later one would wait for.

#include <cstdlib>
#include <functional>
#include <new>
#include <optional>

#include <catch2/catch.hpp>

#include "fake_vcpus.h"

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

namespace muster::rendezvous::test {
namespace {

constexpr int kParked = 0;  // anybody may act for it
constexpr int kAway = 1;    // its thread does not come

struct Silent : Observer {
  void Waits(const Wait&) override { ++reports; }
  std::atomic<int> reports{0};
};

// A world for each attempt, in which a call that was made without memory can be seen.
struct World {
  Silent observer;
  FakeVcpus vcpus{2, {.observer = &observer, .report_after_ns = kMs / 10}};
  Watchdog watchdog{vcpus};
  std::function<void(int)> touch = [this](int cpu) { vcpus.Touch(cpu); };

  World() {
    vcpus.Join({kParked, kAway});
    vcpus.GoOutside(kParked);
  }
  Rendezvous& rendezvous() { return vcpus.rendezvous(); }
  absl::StatusOr<Outcome> Execute(const CpuSet& targets, uint64_t time) {
    return rendezvous().Execute(Initiator::Outside(), {.targets = targets,
                                                       .function = touch,
                                                       .runs = Runs::kAnywhere,
                                                       .deadline = sync::Now() + time});
  }
  absl::StatusOr<Standstill> Stop(const CpuSet& targets, uint64_t time) {
    return rendezvous().Stop(Initiator::Outside(), targets, sync::Now() + time);
  }
};

// Makes `call` in a world of its own with memory for 0, 1, 2... allocations, until it needs no
// more. Returns how often it failed.
int WithLittleMemory(const std::function<void(World&)>& call) {
  int failed = 0;
  for (long allocations = 0;; ++allocations) {
    World world;
    allocations_left = allocations;
    bool thrown = false;
    try {
      call(world);
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    const bool had_enough = allocations_left >= 0;
    allocations_left = -1;
    INFO(allocations << " allocations: " << world.rendezvous().Describe());
    failed += thrown;
    CHECK(world.rendezvous().Describe().find("none under way; members 0-1, waiting in the "
                                             "library none, held none by 0 standstills") !=
          std::string::npos);
    CHECK(world.rendezvous().Describe().find("waits its turn") == std::string::npos);
    const auto outcome = world.Execute({kParked}, 1'000 * kMs);
    REQUIRE(outcome.ok());
    REQUIRE(outcome->Complete());
    REQUIRE(world.Stop({kParked}, 1'000 * kMs).ok());
    CHECK(world.vcpus.violations() == 0);
    if (had_enough) return failed;
  }
}

TEST_CASE("a call that has no memory leaves nothing behind") {
  CHECK(WithLittleMemory([](World& world) { (void)world.Execute({kParked, kAway}, kMs); }) > 0);
}

TEST_CASE("a stop that has no memory leaves nothing behind") {
  CHECK(WithLittleMemory([](World& world) { (void)world.Stop({kParked, kAway}, kMs); }) > 0);
}

TEST_CASE("a call that has no memory to wait for its turn, or in a standstill, leaves nothing") {
  CHECK(WithLittleMemory([](World& world) {
          auto standstill = world.Stop({kParked}, 1'000 * kMs);
          if (!standstill.ok()) return;
          (void)world.Execute({kParked, kAway}, kMs);
          (void)standstill->Execute(
              Initiator::Outside(),
              {.targets = {kParked}, .function = world.touch, .runs = Runs::kAnywhere});
          (void)standstill->Stop(Initiator::Outside(), {kParked, kAway}, sync::Now() + kMs);
        }) > 0);
}

}  // namespace
}  // namespace muster::rendezvous::test
