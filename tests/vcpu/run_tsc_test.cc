// The TSCs of a VM's vCPUs are one, whenever they came. On real KVM.
//
// Reads follow one another, each asked for when the one before has been seen: so the values rise,
// whichever vCPU they are of, where the counters agree. How long an exchange lasts does not matter.
// Where RDTSC obeys no offset (HostTraits) they always do; elsewhere pauses change the offset.

#include <poll.h>
#include <thread>
#include <utility>

#include <catch2/catch.hpp>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

constexpr uint64_t kForever = 60'000'000'000;

class TwoCounters {
 public:
  // vCPU 1 is there from the beginning, or comes later.
  explicit TwoCounters(bool both) : t_(both ? 2 : 1, {.max_cpus = both ? 0 : 2, .x2apic = true}) {
    t_.Load(TestVm::kBspCode, MUSTER_SNIPPET(tsc_on_demand));
    t_.Load(TestVm::kApCode, MUSTER_SNIPPET(ap_tsc_on_demand));
    t_.Start();
  }
  ~TwoCounters() {
    t_.vm().Stop();
    if (late_.joinable()) late_.join();
  }
  TwoCounters(const TwoCounters&) = delete;
  TwoCounters& operator=(const TwoCounters&) = delete;

  Vm& vm() { return t_.vm(); }
  void Add() {
    t_.Await("vCPU 1 to be there", [&] { return vm().AddVcpu(1).ok(); });
    late_ = std::thread([&] { (void)vm().vcpu(1).Run(); });
  }
  void Remove() {
    REQUIRE(vm().RemoveVcpu(1).ok());
    late_.join();
  }

  uint64_t Old() {
    t_.ram()[0x500] = 1;
    t_.AwaitWrites(0x10, ++old_reads_);
    return Value(0x510);
  }
  // Its very first instruction.
  uint64_t StartNew() {
    REQUIRE(vm().SendMessage({.destination = 1,
                              .x2apic = true,
                              .delivery_mode = apic::DeliveryMode::kStartup,
                              .vector = 8})
                .ok());
    return AwaitNew();
  }
  uint64_t New() {
    t_.ram()[0x520] = 1;
    return AwaitNew();
  }

 private:
  uint64_t AwaitNew() {
    ++new_reads_;
    t_.Await("vCPU 1's counter", [&] { return t_.Word(0x538) == new_reads_; });
    return Value(0x530);
  }
  uint64_t Value(uint64_t gpa) const { return uint64_t{t_.Word(gpa + 4)} << 32 | t_.Word(gpa); }

  TestVm t_;
  std::thread late_;
  size_t old_reads_ = 0;
  uint32_t new_reads_ = 0;
};

// The new one starts, and then each is read in turn.
void CheckOneCounter(TwoCounters& counters) {
  uint64_t before = counters.Old();
  uint64_t now = counters.StartNew();
  for (int i = 0; i < 20; ++i) {
    CHECK(before < now);
    before = std::exchange(now, i % 2 == 0 ? counters.Old() : counters.New());
  }
  CHECK(before < now);
}

void PauseForAWhile(Vm& vm) {
  absl::StatusOr<Pause> pause = vm.Pause(kForever);
  REQUIRE(pause.ok());
  poll(nullptr, 0, 20);
  REQUIRE(pause->Resume().ok());
}

TEST_CASE("the TSC of a vCPU that is there from the beginning is the others'", "[tsc]") {
  TwoCounters counters(true);
  CheckOneCounter(counters);
}

TEST_CASE("the TSC of a vCPU that is added is the others', in each of its lives", "[tsc]") {
  TwoCounters counters(false);
  counters.Old();
  poll(nullptr, 0, 20);  // a counter of its own would be behind by this
  for (int life = 0; life < 3; ++life) {
    counters.Add();
    CheckOneCounter(counters);
    counters.Remove();
    PauseForAWhile(counters.vm());
  }
}

TEST_CASE("the TSC of a vCPU that is first added after a pause is the others'", "[tsc]") {
  TwoCounters counters(false);
  counters.Old();
  PauseForAWhile(counters.vm());
  counters.Add();
  CheckOneCounter(counters);
}

TEST_CASE("the TSC of a vCPU that is added in a pause is the others' after it", "[tsc]") {
  TwoCounters counters(false);
  counters.Old();
  absl::StatusOr<Pause> pause = counters.vm().Pause(kForever);
  REQUIRE(pause.ok());
  poll(nullptr, 0, 20);
  counters.Add();
  poll(nullptr, 0, 20);
  REQUIRE(pause->Resume().ok());
  CheckOneCounter(counters);
}

}  // namespace
}  // namespace muster::vcpu
