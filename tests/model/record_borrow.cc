// Records a run of a real Doorbell whose owner sleeps and that others borrow:
//
//   record_borrow FILE SEED BORROWERS PARKS
//
// As borrow.pml has it: the owner takes what is rung for, halts and parks; borrowers act for it;
// one thread rings, and one calls Run all the while and is refused. A run that hangs is recorded up
// to there; exit status 3. 1: two had the vCPU at a time.

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <random>
#include <thread>
#include <unistd.h>
#include <vector>

#include <muster/rendezvous/sync.h>
#include <muster/vcpu/run/doorbell.h>

namespace muster::vcpu {
namespace {

// Their numbers in the model, after three borrowers.
constexpr int kRinger = 3, kIntruder = 4, kOwner = 5;
constexpr int kSeconds = 20;  // taken for a hang

using Random = std::minstd_rand;

void Pause(Random& random) {
  for (auto yields = random() % 16; yields > 8; --yields) std::this_thread::yield();
}

class Run {
 public:
  Run(unsigned seed, int borrowers, int parks) : parks_(parks) {
    for (int i = 0; i < borrowers; ++i) {
      threads_.emplace_back([this, i, seed] { Borrower(i, Random(seed * 16 + 1 + unsigned(i))); });
    }
    threads_.emplace_back([this, seed] { Owner(Random(seed * 16 + 15)); });
    threads_.emplace_back([this, seed] { Ringer(Random(seed * 16 + 14)); });
    threads_.emplace_back([this, seed] { Intruder(Random(seed * 16 + 13)); });
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
  bool violated() const { return violated_; }

 private:
  void Owner(Random random) {
    doorbell_.Claim(gettid());  // and is inside from here on, in the model
    model::StepRecorder::Self() = kOwner;
    inside_ = true;
    for (int i = 0; i < parks_;) {
      if (doorbell_.requests() != 0) {
        doorbell_.Take(kRequestMail);
        halted_ = false;
      } else if (!halted_) {
        Pause(random);
        halted_ = true;
      } else {
        --holders_;
        doorbell_.Park([] {});
        Hold();
        ++i;
      }
    }
    ended_ = true;
  }

  void Borrower(int number, Random random) {
    model::StepRecorder::Self() = number;
    AwaitOwner();
    while (!ended_) {
      if (doorbell_.TryBorrow() != Execution::kBorrowed) {
        Hold();
        if (!halted_) violated_ = true;
        Pause(random);
        --holders_;
        doorbell_.GiveBack();
      }
      Pause(random);
    }
  }

  void Ringer(Random random) {
    model::StepRecorder::Self() = kRinger;
    AwaitOwner();
    while (!ended_) {
      doorbell_.Ring(kRequestMail);
      Pause(random);
    }
  }

  void Intruder(Random random) {
    model::StepRecorder::Self() = kIntruder;
    AwaitOwner();
    while (!ended_) {
      if (doorbell_.Claim(gettid())) violated_ = true;
      Pause(random);
    }
  }

  void AwaitOwner() {
    while (!inside_) std::this_thread::yield();
  }
  void Hold() {
    if (++holders_ != 1) violated_ = true;
  }

  const int parks_;
  uint8_t immediate_exit_ = 0;
  Doorbell doorbell_{&immediate_exit_, SIGUSR1};
  std::atomic<bool> inside_{false}, ended_{false}, violated_{false};
  std::atomic<int> holders_{1};
  std::atomic<bool> halted_{false};  // who has the vCPU reads and writes it
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
  return run.violated() ? 1 : 0;
}

}  // namespace
}  // namespace muster::vcpu

int main(int argc, char** argv) { return muster::vcpu::Main(argc, argv); }
