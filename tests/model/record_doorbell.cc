// Records a run of a real Doorbell, rung by real threads that send real signals:
//
//   record_doorbell FILE SEED RINGERS RINGS
//
// The owner does what the run loop around it may do, by chance, as in kick.pml: it enters the
// guest, with mail waiting now and then, halts, finishes exits, leaves Run and comes back. Its
// KVM_RUN looks at immediate_exit once, then stays until the kick's signal is pending, or until its
// guest exits. A run that hangs is recorded up to there; exit status 3.

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <pthread.h>
#include <random>
#include <thread>
#include <unistd.h>
#include <vector>

#include <muster/vcpu/run/doorbell.h>
#include <muster/vcpu/run/session.h>

#include "stepped_guest.h"

namespace muster::vcpu {
namespace {

constexpr int kKick = SIGUSR1;
constexpr int kOwner = 3;     // its number in the model; that has so many ringers
constexpr int kSeconds = 20;  // taken for a hang
constexpr uint32_t kAll = kRequestMail | kRequestTimer | kRequestMeet | kRequestReset;

using Random = std::minstd_rand;

// The first ringer's are mail, the others' are not.
constexpr uint32_t RequestOf(int ringer) {
  return ringer == 0 ? kRequestMail : uint32_t{kRequestTimer} << (ringer - 1);
}

class Run {
 public:
  Run(unsigned seed, int ringers, int rings) : rings_(rings), to_end_(ringers) {
    for (int i = 0; i < ringers; ++i) {
      threads_.emplace_back([this, i, seed] { Ringer(i, Random(seed * 16 + 1 + unsigned(i))); });
    }
    threads_.emplace_back([this, seed] { Owner(Random(seed * 16 + 15)); });
  }
  void Join() {
    for (std::thread& thread : threads_) thread.join();
  }
  bool EndsInTime() {
    for (int i = 0; i < kSeconds * 100 && !ended_; ++i) {
      if (model::StepRecorder::Only().full()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return ended_;
  }

 private:
  void Ringer(int number, Random random) {
    model::StepRecorder::Self() = number;
    for (int i = 0; !ended_ && (i < rings_ || number == 0); ++i) {
      if (i == rings_) --to_end_;  // the first goes on: the owner may sleep
      doorbell_.Ring(RequestOf(number));
      for (auto pause = random() % 16; pause > 8; --pause) std::this_thread::yield();
    }
    if (number != 0) --to_end_;
  }

  void Owner(Random random) {
    sigset_t kick;
    sigemptyset(&kick);
    sigaddset(&kick, kKick);
    pthread_sigmask(SIG_BLOCK, &kick, nullptr);
    model::StepRecorder::Self() = kOwner;
    while (to_end_ != 0) {
      const uint64_t before = doorbell_.kicks();
      doorbell_.Claim(gettid());
      Loop(random);
      doorbell_.Release();
      if (doorbell_.kicks() != before) SwallowKick(kKick);  // as ~RunSession does
    }
    ended_ = true;
  }

  // Until Run returns with an exit.
  void Loop(Random& random) {
    for (;;) {
      const bool busy = !half_done_ && !halted_ && !waited_ && random() % 4 == 0;
      if ((doorbell_.requests() & ~(busy ? kRequestsOfMail : 0)) != 0) {
        doorbell_.Take(kAll);
        halted_ = waited_ = false;
      } else if (half_done_) {
        doorbell_.ForceExit();
        doorbell_.ClearForcedExit();
        half_done_ = false;
      } else if (halted_) {
        doorbell_.Park([] {});
      } else if (doorbell_.EnterGuest(busy)) {
        const bool exits = busy || random() % 2 == 0;
        const bool interrupted = model::RunGuest(immediate_exit_, kKick, exits, random() % 32);
        if (doorbell_.LeaveGuest() || interrupted) SwallowKick(kKick);
        if (busy && (!interrupted || (doorbell_.requests() & ~kRequestsOfMail) != 0))
          waited_ = true;
        if (interrupted) continue;
        const auto next = random() % 8;
        halted_ = next < 2;
        half_done_ = next == 2 || next == 3;
        if (next == 3) return;
      }
    }
  }

  const int rings_;
  uint8_t immediate_exit_ = 0;
  Doorbell doorbell_{&immediate_exit_, kKick};
  std::atomic<int> to_end_;
  std::atomic<bool> ended_{false};
  bool half_done_ = false, halted_ = false, waited_ = false;  // the owner's, as in the model
  std::vector<std::thread> threads_;
};

int Main(int argc, char** argv) {
  if (argc != 5) return 2;
  std::FILE* const file = std::fopen(argv[1], "w");
  if (file == nullptr) return 2;
  Run run(static_cast<unsigned>(std::atoi(argv[2])), std::atoi(argv[3]), std::atoi(argv[4]));
  const bool ended = run.EndsInTime();
  const bool full = model::StepRecorder::Only().full();
  model::StepRecorder::Only().Write(file);
  std::fclose(file);
  if (full || !ended) _exit(full ? 0 : 3);  // it may never end
  run.Join();
  return 0;
}

}  // namespace
}  // namespace muster::vcpu

int main(int argc, char** argv) { return muster::vcpu::Main(argc, argv); }
