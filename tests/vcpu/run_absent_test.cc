// CPUs that sleep and that no thread runs: whoever means them acts for them, also where others have
// them for a moment just then.
#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

#include <muster/vcpu/run/pause.h>

#include "test_vm.h"

namespace muster::vcpu {
namespace {

using apic::DeliveryMode;

constexpr int kTimes = 3000;
constexpr uint64_t kForever = 60'000'000'000;

apic::Message To(uint32_t cpu, DeliveryMode mode, uint8_t vector = 0) {
  return {.destination = cpu, .x2apic = true, .delivery_mode = mode, .vector = vector};
}

// Does `once` again and again, beside what follows, until this goes.
class Meanwhile {
 public:
  explicit Meanwhile(std::function<void()> once)
      : thread_([this, once = std::move(once)] {
          while (!ends_) once();
        }) {}
  ~Meanwhile() {
    ends_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> ends_{false};
  std::thread thread_;
};

// `once` kTimes on a thread of its own; fails the test where it does not return.
void AllReturn(TestVm& vm, const std::string& what, const std::function<bool()>& once) {
  std::atomic<int> returned{0}, well{0};
  std::thread thread([&] {
    for (int i = 0; i < kTimes; ++i) {
      if (once()) ++well;
      ++returned;
    }
  });
  vm.Await(what, [&] { return returned == kTimes; });
  thread.join();
  CHECK(well == kTimes);
}

TEST_CASE("an INIT of a CPU that is looked at all the while returns", "[absent]") {
  TestVm vm(2);
  const Meanwhile looks([&] { (void)vm.vm().vcpu(1).Inspect(); });
  AllReturn(vm, "the INITs to return",
            [&] { return vm.vm().SendMessage(To(1, DeliveryMode::kInit)).ok(); });
}

TEST_CASE("an INIT of a CPU whose caller sends by it meanwhile returns", "[absent]") {
  TestVm vm(3);
  const Meanwhile sends(
      [&] { (void)vm.vm().vcpu(1).SendMessage(To(2, DeliveryMode::kFixed, 0x40)); });
  AllReturn(vm, "the INITs to return",
            [&] { return vm.vm().SendMessage(To(1, DeliveryMode::kInit)).ok(); });
}

TEST_CASE("a pause of CPUs that are looked at all the while has them stand", "[absent]") {
  TestVm vm(3);
  REQUIRE(vm.vm().vcpu(0).Hold().ok());  // it would have to come to Run, and execute
  const Meanwhile looks([&] { (void)vm.vm().vcpu(2).Inspect(); });
  AllReturn(vm, "the pauses to end", [&] {
    const absl::StatusOr<Pause> pause = vm.vm().Pause(kForever);
    return pause.ok() && pause->standing() == rendezvous::CpuSet{0, 1, 2};
  });
}

}  // namespace
}  // namespace muster::vcpu
