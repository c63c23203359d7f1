#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <thread>
#include <vector>

#include <muster/rendezvous/rendezvous.h>

namespace muster::rendezvous::test {

inline constexpr uint64_t kMs = 1'000'000;

// Where the run lock of a fake vCPU is.
enum class Word : int { kFree, kUser, kGuest, kParked, kBorrowed };

// What a thread of FakeVcpus does between two Serves.
enum class Mode {
  kGuest,   // is in a guest that only a kick ends
  kParked,  // is halted: may be borrowed
};

// vCPUs without a guest: what the rendezvous asks of the layer above it, done in earnest on an
// execution word and a parking spot each, with all that must not happen counted in violations().
// A vCPU of which no thread was started is played by the test, which calls Serve itself.
class FakeVcpus : public Notifier {
 public:
  explicit FakeVcpus(int capacity, const Options& options = {});
  ~FakeVcpus() override;  // ends the threads

  Rendezvous& rendezvous() { return rendezvous_; }

  // Joins `cpu` and starts its thread, which serves until Finish.
  void Start(int cpu, Mode mode);
  void Start(const CpuSet& cpus, Mode mode);
  void Join(const CpuSet& cpus);  // no thread
  void Finish(int cpu);           // ends its thread, which leaves

  // Makes a parked vCPU wake as an interrupt would.
  void Interrupt(int cpu);

  // The owner's moves, for threads of a test's own. A parked owner that wakes has served when
  // Park returns.
  void EnterGuest(int cpu, uint64_t deadline = sync::kNever);  // returns at the next kick
  void Park(int cpu, uint64_t deadline = sync::kNever);
  int ServeIfPending(int cpu);  // functions run
  // Its thread goes where the library has no part, asleep, so that others may act for the vCPU; and
  // comes back when nobody does.
  void GoOutside(int cpu);
  void ComeInside(int cpu);
  // As who looks at it does, any thread: has it while `look` runs, unless others have.
  bool Look(
      int cpu, const std::function<void()>& look = [] {});

  // What must not happen: an entry that does not look whether the vCPU is wanted, and a reason to
  // wake that nobody tells the sleeper.
  void EnterBlindly(int cpu);
  void InterruptSilently(int cpu) { cpus_[cpu].interrupt = true; }

  // A function for calls: checks that it runs on a holder of the run lock, alone, and counts.
  void Touch(int cpu, bool through_standstill = false);
  int touched(int cpu) const { return cpus_[cpu].touched.load(); }

  // Between these the vCPU must not enter the guest, nor run functions that are not
  // `through_standstill`.
  void Freeze(const CpuSet& cpus, int by);

  int notified(int cpu) const { return cpus_[cpu].notified.load(); }
  int borrows(int cpu) const { return cpus_[cpu].borrows.load(); }
  int entries(int cpu) const { return cpus_[cpu].entries.load(); }
  Word word(int cpu) const { return cpus_[cpu].word.load(); }
  int violations() const { return violations_.load(); }
  int last_violation() const { return last_violation_.load(); }  // its line in fake_vcpus.cc
  int wakes(int cpu) const { return cpus_[cpu].wakes.load(); }
  int borrow_waits(int cpu) const { return cpus_[cpu].borrow_waits.load(); }

  // Called at the start of each Notify.
  void OnNotify(std::function<void(int)> hook) { on_notify_ = std::move(hook); }

  std::string State();  // of the vCPUs, for when a test hangs

  void Notify(int cpu) override;
  bool TryBorrow(int cpu) override;
  void GiveBack(int cpu) override;
  std::string Describe(int cpu) override;
  Entries EntriesOf(int cpu) override { return {cpus_[cpu].begun, cpus_[cpu].made}; }
  bool WakeIsLost(int cpu, bool all_stand) override;

 private:
  struct Cpu {
    std::atomic<Word> word{Word::kFree};
    std::atomic<bool> asked{false};                // by Notify, and has not served since
    std::atomic<bool> outside{false};              // GoOutside
    std::atomic<Word> before_borrow{Word::kFree};  // the borrower's
    std::atomic<bool> stop{false}, interrupt{false}, waits_out_borrow{false};
    std::atomic<bool> waking{false};  // of an interrupt: a wake is on its way
    std::atomic<uint64_t> begun{0}, made{0};
    sync::ParkingSpot spot;
    std::atomic<int> inside{0}, frozen{0};
    std::atomic<int> touched{0}, notified{0}, borrows{0}, entries{0}, wakes{0}, borrow_waits{0};
    std::thread thread;
  };
  void Run(int cpu, Mode mode);
  bool Take(int cpu);
  void PutBack(int cpu);
  void Expect(bool right, std::source_location where = std::source_location::current()) {
    if (right) return;
    ++violations_;
    last_violation_ = static_cast<int>(where.line());
  }

  const int capacity_;
  std::unique_ptr<Cpu[]> cpus_;
  std::atomic<int> violations_{0}, last_violation_{0};
  std::function<void(int)> on_notify_;
  Rendezvous rendezvous_;
};

// Ends a test that hangs, saying what everybody was doing.
class Watchdog {
 public:
  explicit Watchdog(FakeVcpus& vcpus, int seconds = 60);
  ~Watchdog();

 private:
  std::atomic<bool> done_{false};
  sync::ParkingSpot spot_;
  std::thread thread_;
};

// A call on a thread of its own.
class Caller {
 public:
  struct Options {
    Runs runs = Runs::kOnOwnerThread;
    uint64_t deadline = sync::kNever;
    const char* name = "call";
    Initiator initiator = Initiator::Outside();
  };
  Caller(FakeVcpus& vcpus, const CpuSet& targets, std::function<void(int)> function)
      : Caller(vcpus, targets, std::move(function), Options()) {}
  Caller(FakeVcpus& vcpus, const CpuSet& targets, std::function<void(int)> function,
         Options options);
  ~Caller() { Join(); }

  bool returned() const { return returned_; }
  // Waits for it.
  Outcome outcome();
  absl::Status status();

 private:
  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  std::optional<absl::StatusOr<Outcome>> result_;
  std::atomic<bool> returned_{false};
  std::thread thread_;
};

// Yields until `condition` holds; a Watchdog ends it if it never does.
template <typename Condition>
void Await(Condition condition) {
  while (!condition()) std::this_thread::yield();
}

}  // namespace muster::rendezvous::test
