// Records a run of a real Vm with a vCPU that no thread runs:
//
//   record_absent FILE SEED LOOKERS CALLS
//
// One thread sends it INITs, and now and then stops it, LOOKERS have a look at it all the while,
// and one sends messages by it. A run that hangs is recorded up to there; exit status 3. 77: no
// KVM.

#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>
#include <unistd.h>
#include <vector>

#include <muster/vcpu/run/loan.h>
#include <muster/vcpu/run/vm_core.h>

#include "../need_kvm.h"
#include "recorder.h"

namespace muster::vcpu {
namespace {

constexpr int kAbsent = 1;  // the vCPU
// Numbers in the model of those that are no vCPU.
constexpr int kCaller = model::Recorder::kVcpus, kSender = kCaller + 1, kLooker = kCaller + 2;
constexpr int kSeconds = 20;  // taken for a hang

using Random = std::minstd_rand;

class NoClock : public Clock {
 public:
  uint64_t NowNs() override { return sync::Now(); }
  void Arm(int /*cpu*/, uint64_t /*deadline_ns*/) override {}
};

void Pause(Random& random) {
  for (auto yields = random() % 16; yields > 8; --yields) std::this_thread::yield();
}

class Run {
 public:
  Run(VmCore& vm, unsigned seed, int lookers, int calls) : vm_(vm), calls_(calls) {
    Init();  // the recorder learns of the mutex
    threads_.emplace_back([this, seed] { Caller(Random(seed * 16 + 1)); });
    threads_.emplace_back([this, seed] { Sender(Random(seed * 16 + 2)); });
    for (int i = 0; i < lookers; ++i) {
      threads_.emplace_back([this, i, seed] { Looker(i, Random(seed * 16 + 3 + unsigned(i))); });
    }
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
  void Init() {
    (void)vm_.fabric().SendMessage(
        kOutside,
        {.destination = kAbsent, .x2apic = true, .delivery_mode = apic::DeliveryMode::kInit});
  }

  void Caller(Random random) {
    model::Recorder::Self() = kCaller;
    for (int i = 0; i < calls_; ++i) {
      if (random() % 4 == 0) {
        (void)vm_.rendezvous().Stop(rendezvous::Initiator::Outside(), rendezvous::CpuSet{kAbsent},
                                    sync::kNever);
      } else {
        Init();
      }
      ForgetThatItWasAsked();
      Pause(random);
    }
    ended_ = true;
  }

  // As its owner would, come to serve. No call is under way.
  void ForgetThatItWasAsked() {
    for (;;) {
      const Loan loan(vm_.core(kAbsent));
      if (!loan.granted()) continue;
      vm_.core(kAbsent).doorbell().Take(kRequestMeet);
      return;
    }
  }

  void Looker(int number, Random random) {
    model::Recorder::Self() = kLooker + number;
    while (!ended_) {
      {
        const Loan loan(vm_.core(kAbsent), Loan::Wait::kNo);
        Pause(random);
      }
      Pause(random);
    }
  }

  void Sender(Random random) {
    model::Recorder::Self() = kSender;
    while (!ended_) {
      (void)vm_.core(kAbsent).Send(
          {.destination = 7, .x2apic = true, .vector = 0x40});  // to nobody
      Pause(random);
    }
  }

  VmCore& vm_;
  const int calls_;
  std::atomic<bool> ended_{false};
  std::vector<std::thread> threads_;
};

int Main(int argc, char** argv) {
  if (argc != 5) return 2;
  testing::NeedKvm();
  std::FILE* const file = std::fopen(argv[1], "w");
  if (file == nullptr) return 2;
  const absl::StatusOr<System> system = System::Open();
  if (!system.ok()) return 2;
  absl::StatusOr<VmHandle> handle = VmHandle::Create(*system);
  if (!handle.ok()) return 2;
  model::Recorder::Self() = model::Recorder::kUnrecorded;
  NoClock clock;
  VmCore vm(*system, {.cpus = 2, .x2apic = true}, clock, *std::move(handle));
  if (!vm.AddVcpus().ok()) return 2;
  Run run(vm, static_cast<unsigned>(std::atoi(argv[2])), std::atoi(argv[3]), std::atoi(argv[4]));
  const bool ended = run.EndsInTime();
  const bool full = model::Recorder::Only().full();
  if (ended && !full) run.Join();
  model::Recorder::Only().Write(file);
  std::fclose(file);
  if (full || !ended) _exit(full ? 0 : 3);  // it may never end
  return 0;
}

}  // namespace
}  // namespace muster::vcpu

int main(int argc, char** argv) { return muster::vcpu::Main(argc, argv); }
