// Records a run of a real Doorbell under real RunSessions of two threads, rung by real threads that
// send real signals:
//
//   record_kick_stays FILE SEED RINGERS RINGS
//
// As kick_stays.pml has it: each owner comes into Run as soon as it may, enters the guest a few
// times, and leaves. The vCPU is KVM's, for its signal mask; KVM_RUN is RunGuest. A run that hangs
// is recorded up to there; exit status 3. 1: a kick was left in a thread outside Run. 77: no KVM.

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>
#include <unistd.h>
#include <vector>

#include <muster/vcpu/kvm/system.h>
#include <muster/vcpu/kvm/vcpu_handle.h>
#include <muster/vcpu/kvm/vm_handle.h>
#include <muster/vcpu/run/doorbell.h>
#include <muster/vcpu/run/session.h>

#include "../need_kvm.h"
#include "stepped_guest.h"

namespace muster::vcpu {
namespace {

constexpr int kKick = SIGUSR1;
constexpr int kOwners = 2;
constexpr int kFirstOwner = 3;  // its number in the model; that has so many ringers
constexpr unsigned kLag = 32;   // of ringers: owners leave between two steps of a kick
constexpr int kSeconds = 60;    // taken for a hang

using Random = std::minstd_rand;

void Pause(Random& random) {
  for (auto yields = random() % 16; yields > 8; --yields) std::this_thread::yield();
}

class Run {
 public:
  Run(VcpuHandle& vcpu, unsigned seed, int ringers, int rings)
      : vcpu_(vcpu), rings_(rings), to_end_(ringers) {
    for (int i = 0; i < ringers; ++i) {
      threads_.emplace_back([this, i, seed] { Ringer(i, Random(seed * 16 + 1 + unsigned(i))); });
    }
    for (int i = 0; i < kOwners; ++i) {
      threads_.emplace_back([this, i, seed] { Owner(i, Random(seed * 16 + 14 + unsigned(i))); });
    }
  }
  void Join() {
    for (std::thread& thread : threads_) thread.join();
  }
  bool EndsInTime() {
    for (int i = 0; i < kSeconds * 100 && owners_ != 0; ++i) {
      if (model::StepRecorder::Only().full()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return owners_ == 0;
  }
  bool violated() const { return violated_; }

 private:
  void Ringer(int number, Random random) {
    model::StepRecorder::Self() = number;
    model::StepRecorder::Lag() = kLag;
    while (to_begin_ != 0) std::this_thread::yield();
    for (int i = 0; owners_ != 0 && (i < rings_ || number == 0); ++i) {
      if (i == rings_) --to_end_;  // the first goes on: an owner may be in its guest
      doorbell_.Ring(kRequestMail);
      Pause(random);
    }
    if (number != 0) --to_end_;
  }

  void Owner(int number, Random random) {
    sigset_t kick;
    sigemptyset(&kick);
    sigaddset(&kick, kKick);
    pthread_sigmask(SIG_BLOCK, &kick, nullptr);  // one that is left shows
    model::StepRecorder::Self() = kFirstOwner + number;
    --to_begin_;
    while (to_end_ != 0) {
      bool claimed = false;
      {
        const RunSession session(vcpu_, doorbell_, mask_);
        claimed = session.claimed();
        if (claimed) Stay(random);
      }
      if (claimed) {
        LookOutside();
      } else {
        std::this_thread::yield();
      }
    }
    --owners_;
  }

  void Stay(Random& random) {
    for (auto entries = random() % 3; entries != 0; --entries) {
      if (!doorbell_.EnterGuest()) {
        doorbell_.Take(kRequestMail);
        continue;
      }
      const bool exits = random() % 2 == 0;
      const bool interrupted =
          model::RunGuest(vcpu_.run().immediate_exit, kKick, exits, random() % 4);
      if (doorbell_.LeaveGuest() || interrupted) SwallowKick(kKick);
    }
  }

  void LookOutside() {
    const sync::Step step;
    sigset_t pending;
    sigpending(&pending);
    const bool left = sigismember(&pending, kKick) != 0;
    sync::Mark("Outside", left);
    if (left) violated_ = true;
  }

  VcpuHandle& vcpu_;
  const int rings_;
  Doorbell doorbell_{&vcpu_.run().immediate_exit, kKick};
  KickMask mask_{.signal = kKick, .stays_blocked = true};
  std::atomic<int> to_end_;  // ringers
  std::atomic<int> to_begin_{kOwners}, owners_{kOwners};
  std::atomic<bool> violated_{false};
  std::vector<std::thread> threads_;
};

int Main(int argc, char** argv) {
  if (argc != 5) return 2;
  testing::NeedKvm();
  std::FILE* const file = std::fopen(argv[1], "w");
  if (file == nullptr) return 2;
  const absl::StatusOr<System> system = System::Open();
  if (!system.ok()) return 2;
  const absl::StatusOr<VmHandle> vm = VmHandle::Create(*system);
  if (!vm.ok()) return 2;
  absl::StatusOr<VcpuHandle> vcpu = VcpuHandle::Create(*system, *vm, /*id=*/0);
  if (!vcpu.ok()) return 2;
  Run run(*vcpu, static_cast<unsigned>(std::atoi(argv[2])), std::atoi(argv[3]), std::atoi(argv[4]));
  const bool ended = run.EndsInTime();
  const bool full = model::StepRecorder::Only().full();
  model::StepRecorder::Only().Write(file);
  std::fclose(file);
  if (full || !ended) _exit(full ? 0 : 3);  // it may never end
  run.Join();
  return run.violated() ? 1 : 0;
}

}  // namespace
}  // namespace muster::vcpu

int main(int argc, char** argv) { return muster::vcpu::Main(argc, argv); }
