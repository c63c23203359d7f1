#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <muster/vcpu/kvm/memory_slots.h>
#include <muster/vcpu/kvm/system.h>
#include <muster/vcpu/run/clock.h>
#include <muster/vcpu/run/vcpu.h>
#include <muster/vcpu/run/vm.h>

namespace muster::vcpu {

// CLOCK_MONOTONIC, with one thread that delivers the deadlines.
class TestClock : public Clock {
 public:
  TestClock();
  ~TestClock() override;
  uint64_t NowNs() override;
  void Arm(int cpu, uint64_t deadline_ns) override;
  void Hold() override;
  void Continue() override;
  // Expiries go to `vm` from here on; null: nowhere.
  void Attach(Vm* vm);
  // Calls `function`, once, when that thread next looks at the time.
  void AtNextLook(std::thread::id thread, std::function<void()> function);

 private:
  void Loop();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int, uint64_t> deadlines_;
  Vm* vm_ = nullptr;
  bool ending_ = false;
  std::atomic<uint64_t> held_at_{kNever}, behind_{0};
  std::function<void()> at_next_look_;
  std::atomic<std::thread::id> looks_next_{};
  std::thread thread_;
};

// A code snippet of snippets/.
struct Snippet {
  const uint8_t* begin;
  const uint8_t* end;
};
// By its name there; fails the test where there is none.
Snippet FindSnippet(const char* name);
#define MUSTER_SNIPPET(name) ::muster::vcpu::FindSnippet(#name)

// Ends the test as skipped.
[[noreturn]] void Skip(const std::string& reason);
// This machine's KVM; ends the test as skipped where it cannot be used.
const System& KvmOrSkip();

// A small machine: RAM from 0, all vCPUs in x2APIC mode, each in a thread that records what its
// guest writes to ports.
class TestVm {
 public:
  static constexpr uint64_t kRamSize = 1 << 20;
  static constexpr uint64_t kBspCode = 0x1000;
  static constexpr uint64_t kApCode = 0x8000;  // SIPI vector 8

  explicit TestVm(int cpus, VmConfig config = {.x2apic = true});
  ~TestVm();

  Vm& vm() { return *vm_; }
  uint8_t* ram() { return ram_; }
  uint64_t ClockNs() { return clock_.NowNs(); }
  TestClock& clock() { return clock_; }
  // Calls `function`, once, when the vCPU's thread next looks at the time: between the drain of its
  // mail and what a store to its APIC does, for one. While it executes the guest.
  void AtNextLookAtTheTime(int cpu, std::function<void()> function) {
    clock_.AtNextLook(threads_[static_cast<size_t>(cpu)].get_id(), std::move(function));
  }
  // A 32-bit word of guest memory that the guest writes while this reads.
  uint32_t Word(uint64_t gpa) const;

  void Load(uint64_t gpa, Snippet code);
  // Real-mode interrupt `vector` runs the code at `gpa`, a multiple of 16.
  void SetIvt(uint8_t vector, uint64_t gpa);

  // Starts the bootstrap processor at kBspCode in real mode, and a thread for each vCPU that is
  // there.
  void Start();
  void StartAt(const StartState& start);

  struct Write {
    int cpu;
    uint16_t port;
    uint32_t value;
    bool operator==(const Write&) const = default;
  };
  // Blocks until `count` writes to `port` were made; fails the test with what each vCPU is doing if
  // they do not come.
  void AwaitWrites(uint16_t port, size_t count);
  std::vector<Write> Writes(uint16_t port) const;
  size_t CountWrites(uint16_t port) const { return Writes(port).size(); }
  // Blocks until `done` is true, or fails likewise.
  void Await(const std::string& what, const std::function<bool()>& done);

  // Has the guest of store_robot make a 32-bit store, and returns when it is done.
  void Store(uint64_t gpa, uint32_t value);

  // Lets one IN of port 0x41 go on.
  void Answer();

  // What IN gives.
  void SetInput(uint16_t port, uint32_t value);

  Inspection Look(int cpu);
  // Blocks until the vCPU's own thread sleeps in it; what is seen then. Rings nobody, as Look may,
  // and waits for nothing that is on its way to the vCPU.
  Inspection AwaitAsleep(int cpu);
  // Ends the run; each vCPU's last exit, if it was not a stop.
  void Stop();
  const Exit& last_exit(int cpu) const { return last_exits_[static_cast<size_t>(cpu)]; }
  std::string Describe();

  // The evidence that the meetings have of defects; also looked at in the end.
  void CheckNoDefect() const;

 private:
  void Drive(int cpu);
  void Record(int cpu, const PortExit& exit);

  TestClock clock_;
  uint8_t* ram_ = nullptr;
  std::unique_ptr<Vm> vm_;
  std::vector<std::thread> threads_;
  std::vector<Exit> last_exits_;
  mutable std::mutex mutex_;
  std::condition_variable written_;
  std::vector<Write> writes_;
  std::map<uint16_t, uint32_t> inputs_;
  std::map<uint16_t, std::deque<uint32_t>> asked_;  // ports 0x41 and 0x42: IN waits for a value
  size_t stores_ = 0;
  bool stopping_ = false;
};

}  // namespace muster::vcpu
