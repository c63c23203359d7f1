// Parts of the machine that need no KVM.
#include <catch2/catch.hpp>

#include <muster/vmm/machine/guest_code.h>
#include <muster/vmm/machine/timer_thread.h>

namespace muster::vmm {
namespace {

// Collects expiries and lets the main thread wait for them.
struct Expiries {
  void Add(int cpu) {
    sync::MutexLock lock(mutex);
    cpus.push_back(cpu);
    changed.Signal();
  }
  std::vector<int> Wait(size_t count) {
    sync::MutexLock lock(mutex);
    while (cpus.size() < count) changed.Wait(mutex);  // a hang here is the failure
    return cpus;
  }
  sync::Mutex mutex;
  sync::CondVar changed;
  std::vector<int> cpus ABSL_GUARDED_BY(mutex);
};

TEST_CASE("timers expire in the order of their deadlines, each once") {
  TimerThread timer(3);
  Expiries expiries;
  const uint64_t now = timer.NowNs();
  timer.Arm(0, now + 3'000'000);
  timer.Arm(1, now + 1'000'000);
  timer.Arm(2, now + 2'000'000);
  timer.Start([&](int cpu) { expiries.Add(cpu); });
  CHECK(expiries.Wait(3) == std::vector<int>{1, 2, 0});
  timer.Stop();
  CHECK(expiries.Wait(0).size() == 3);
}

TEST_CASE("a timer armed again keeps its last deadline only, and kNever none") {
  TimerThread timer(2);
  Expiries expiries;
  timer.Start([&](int cpu) { expiries.Add(cpu); });
  const uint64_t now = timer.NowNs();
  timer.Arm(0, now + 3'600'000'000'000);  // the thread sleeps for an hour ...
  timer.Arm(1, now + 1'000'000);
  timer.Arm(1, TimerThread::kNever);
  timer.Arm(0, now);  // ... and is woken for an earlier deadline
  CHECK(expiries.Wait(1) == std::vector<int>{0});
  timer.Arm(0, timer.NowNs());  // the same vCPU anew
  expiries.Wait(2);
  timer.Stop();
  CHECK(expiries.Wait(0) == std::vector<int>{0, 0});
}

TEST_CASE("code is read where the vCPU's page tables put it") {
  GuestMemory memory = *GuestMemory::Create(uint64_t{4} << 20);
  vcpu::Inspection vcpu;
  REQUIRE(memory.WriteValue(0x5000, uint32_t{0x90909090}).ok());
  vcpu.cs_base = 0x1000;
  CHECK(ReadCode(memory, vcpu, 0x4000, 3) == std::vector<uint8_t>{0x90, 0x90, 0x90});
  CHECK(ReadCode(memory, vcpu, 0x3feffe, 15).size() == 2);  // then RAM ends

  vcpu.cs_base = 0;
  vcpu.cr0 = 0x80000011;
  vcpu.efer = 0x500;
  vcpu.cr3 = 0x10000;
  const uint64_t linear = 0xffff800000000000 + 0x200000 * 3 + 0x1000 * 5;
  CHECK(ReadCode(memory, vcpu, linear, 1).empty());
  REQUIRE(memory.WriteValue(0x10000 + 8 * 256, uint64_t{0x11003}).ok());
  REQUIRE(memory.WriteValue(0x11000, uint64_t{0x12003}).ok());
  REQUIRE(memory.WriteValue(0x12000 + 8 * 3, uint64_t{0x13003}).ok());
  REQUIRE(memory.WriteValue(0x13000 + 8 * 5, uint64_t{0x8000000000005003}).ok());
  CHECK(ReadCode(memory, vcpu, linear, 4) == std::vector<uint8_t>{0x90, 0x90, 0x90, 0x90});
  REQUIRE(memory.WriteValue(0x12000 + 8 * 3, uint64_t{0x200083}).ok());
  CHECK(*Translate(memory, vcpu, linear + 7) == 0x205007);
  // Tables that lie outside RAM end the walk.
  REQUIRE(memory.WriteValue(0x11000, uint64_t{0x7ffffffff003}).ok());
  CHECK_FALSE(Translate(memory, vcpu, linear).has_value());
}

}  // namespace
}  // namespace muster::vmm
