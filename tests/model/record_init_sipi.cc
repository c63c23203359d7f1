// Records a run of a real Vm whose CPUs 1 and 2 INIT each other:
//
//   record_init_sipi FILE SEED CPUS ROUNDS
//
// As init_sipi.pml has it: the other one or two CPUs start them again all the while; CPU 0 ends it
// after ROUNDS. What the guest does is in init_sipi_guest.S. A run that hangs is recorded up to
// there; exit status 3. 77: no KVM.

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <random>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <muster/vcpu/run/vm_core.h>

#include "../need_kvm.h"
#include "recorder.h"

extern "C" const uint8_t init_sipi_guest[], init_sipi_guest_end[];

namespace muster::vcpu {
namespace {

constexpr int kSeconds = 20;  // taken for a hang
constexpr size_t kRamSize = 1 << 16;
constexpr uint64_t kCode = 0x8000;  // SIPI vector 8
// See init_sipi_guest.S.
constexpr uint64_t kRounds = 0x610, kHasCpu3 = 0x612, kLingers = 0x2000;
constexpr int kLingersOfEach = 1024;
constexpr unsigned kLongest = 256;
constexpr uint16_t kThenHalts = 0x8000;

class NoClock : public Clock {
 public:
  uint64_t NowNs() override { return sync::Now(); }
  void Arm(int /*cpu*/, uint64_t /*deadline_ns*/) override {}
};

class Run {
 public:
  Run(VmCore& vm, int cpus) : vm_(vm) {
    (void)vm.rendezvous().Pending(0);  // the recorder learns of the mutex
    for (int cpu = 1; cpu < cpus; ++cpu) threads_.emplace_back([this, cpu] { Drive(cpu); });
    // Who sends to them finds them asleep.
    for (int cpu = 1; cpu < cpus; ++cpu) {
      while (vm.core(cpu).doorbell().execution() != Execution::kParked) std::this_thread::yield();
    }
    threads_.emplace_back([this] {
      Drive(0);
      ended_ = true;
    });
  }
  void Join() {
    for (std::thread& thread : threads_) thread.join();
  }
  bool EndsInTime() {
    for (int i = 0; i < kSeconds * 100 && !ended_ && !model::Recorder::Only().full(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return ended_;
  }

 private:
  void Drive(int cpu) {
    model::Recorder::Self() = cpu;
    (void)vm_.vcpu(cpu).Run();  // CPU 0 says that it has done its rounds; the others are stopped
  }

  VmCore& vm_;
  std::atomic<bool> ended_{false};
  std::vector<std::thread> threads_;
};

void Load(uint8_t* ram, unsigned seed, int cpus, int rounds) {
  const auto put = [ram](uint64_t gpa, uint16_t word) { memcpy(ram + gpa, &word, sizeof(word)); };
  memcpy(ram + kCode, init_sipi_guest, static_cast<size_t>(init_sipi_guest_end - init_sipi_guest));
  put(kRounds, static_cast<uint16_t>(rounds));
  put(kHasCpu3, cpus > 3);
  std::minstd_rand random(seed);
  for (int i = 0; i < model::Recorder::kVcpus * kLingersOfEach; ++i) {
    const auto lingers = random() % 2 == 0 ? 0 : random() % kLongest;
    put(kLingers + 2 * static_cast<uint64_t>(i),
        static_cast<uint16_t>(lingers | (random() % 2 == 0 ? kThenHalts : 0)));
  }
}

int Main(int argc, char** argv) {
  if (argc != 5) return 2;
  testing::NeedKvm();
  std::FILE* const file = std::fopen(argv[1], "w");
  const int cpus = std::atoi(argv[3]);
  if (file == nullptr || cpus < 3 || cpus > model::Recorder::kVcpus) return 2;
  const absl::StatusOr<System> system = System::Open();
  if (!system.ok()) return 2;
  absl::StatusOr<VmHandle> handle = VmHandle::Create(*system);
  if (!handle.ok()) return 2;
  void* const ram =
      mmap(nullptr, kRamSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (ram == MAP_FAILED) return 2;
  Load(static_cast<uint8_t*>(ram), static_cast<unsigned>(std::atoi(argv[2])), cpus,
       std::atoi(argv[4]));
  model::Recorder::Self() = model::Recorder::kUnrecorded;
  NoClock clock;
  VmCore vm(*system, {.cpus = cpus, .x2apic = true}, clock, *std::move(handle));
  if (!vm.AddVcpus().ok() || !vm.memory().Add(0, {static_cast<uint8_t*>(ram), kRamSize}).ok() ||
      !vm.core(0).SetStart({.mode = StartState::Mode::kReal, .rip = kCode}).ok()) {
    return 2;
  }
  Run run(vm, cpus);
  const bool ended = run.EndsInTime();
  const bool full = model::Recorder::Only().full();
  if (ended) {
    vm.Stop();
    run.Join();
  }
  model::Recorder::Only().Write(file);
  std::fclose(file);
  if (!ended) _exit(full ? 0 : 3);  // it may never end
  return 0;
}

}  // namespace
}  // namespace muster::vcpu

int main(int argc, char** argv) { return muster::vcpu::Main(argc, argv); }
