#include "fake_vcpus.h"

#include <cstdio>
#include <fmt/format.h>
#include <unistd.h>

namespace muster::rendezvous::test {

FakeVcpus::FakeVcpus(int capacity, const Options& options)
    : capacity_(capacity), cpus_(new Cpu[capacity]), rendezvous_(capacity, *this, options) {}

FakeVcpus::~FakeVcpus() {
  Watchdog watchdog(*this);  // the test's own has ended
  for (int cpu = 0; cpu < capacity_; ++cpu) {
    if (cpus_[cpu].thread.joinable()) Finish(cpu);
  }
}

void FakeVcpus::Start(int cpu, Mode mode) {
  Expect(rendezvous_.Join(cpu).ok());
  cpus_[cpu].stop = false;
  cpus_[cpu].word = Word::kUser;
  cpus_[cpu].thread = std::thread([this, cpu, mode] { Run(cpu, mode); });
}

void FakeVcpus::Start(const CpuSet& cpus, Mode mode) {
  for (int cpu : cpus) Start(cpu, mode);
}

void FakeVcpus::Join(const CpuSet& cpus) {
  for (int cpu : cpus) {
    Expect(rendezvous_.Join(cpu).ok());
    cpus_[cpu].word = Word::kUser;
  }
}

void FakeVcpus::Finish(int cpu) {
  cpus_[cpu].stop = true;
  cpus_[cpu].spot.Wake();
  cpus_[cpu].thread.join();
}

void FakeVcpus::Interrupt(int cpu) {
  cpus_[cpu].waking = true;
  cpus_[cpu].interrupt = true;
  cpus_[cpu].spot.Wake();
}

void FakeVcpus::Run(int cpu, Mode mode) {
  while (!cpus_[cpu].stop) {
    ServeIfPending(cpu);
    if (mode == Mode::kGuest) {
      EnterGuest(cpu);
    } else {
      Park(cpu);
    }
  }
  Expect(rendezvous_.Leave(cpu).ok());
  cpus_[cpu].word = Word::kFree;
}

int FakeVcpus::ServeIfPending(int cpu) {
  int functions = 0;
  while (rendezvous_.Pending(cpu)) {
    cpus_[cpu].asked = false;
    absl::StatusOr<Served> served = rendezvous_.Serve(cpu);
    Expect(served.ok());
    if (served.ok()) functions += served->functions;
  }
  return functions;
}

// The guest is a sleep on the parking spot: like KVM_RUN it ends at once where a kick came before.
void FakeVcpus::EnterGuest(int cpu, uint64_t deadline) {
  Cpu& self = cpus_[cpu];
  const uint32_t seen = self.spot.Prepare();
  ++self.begun;
  self.word = Word::kGuest;
  if (!rendezvous_.Pending(cpu) && !self.stop) {
    Expect(self.frozen == 0);
    self.made = self.begun.load();
    ++self.entries;
    self.spot.Park(seen, deadline);
  }
  self.word = Word::kUser;
}

void FakeVcpus::EnterBlindly(int cpu) {
  Cpu& self = cpus_[cpu];
  self.made = ++self.begun;
}

void FakeVcpus::Park(int cpu, uint64_t deadline) {
  Cpu& self = cpus_[cpu];
  const uint32_t seen = self.spot.Prepare();
  self.word = Word::kParked;
  if (!rendezvous_.Pending(cpu) && !self.stop && !self.interrupt) self.spot.Park(seen, deadline);
  self.waits_out_borrow = true;
  for (;;) {
    const uint32_t now = self.spot.Prepare();
    Word parked = Word::kParked;
    if (self.word.compare_exchange_strong(parked, Word::kUser)) break;
    ++self.borrow_waits;
    self.spot.Park(now);
  }
  self.waits_out_borrow = false;
  ++self.wakes;
  ServeIfPending(cpu);
  self.interrupt = false;
  self.waking = false;
  Expect(self.frozen == 0);  // awake, and about to go on
}

void FakeVcpus::Touch(int cpu, bool through_standstill) {
  Cpu& self = cpus_[cpu];
  Expect(self.inside.fetch_add(1) == 0);
  Expect(self.word == Word::kUser || self.word == Word::kBorrowed);
  Expect(through_standstill || self.frozen == 0);
  ++self.touched;
  self.inside.fetch_sub(1);
}

void FakeVcpus::Freeze(const CpuSet& cpus, int by) {
  for (int cpu : cpus) cpus_[cpu].frozen += by;
}

void FakeVcpus::Notify(int cpu) {
  if (on_notify_) on_notify_(cpu);
  ++cpus_[cpu].notified;
  Expect(sync::ThisThread().locks_held == 0);
  cpus_[cpu].asked = true;
  cpus_[cpu].spot.Wake();
}

bool FakeVcpus::Take(int cpu) {
  for (const Word idle : {Word::kParked, Word::kFree}) {
    Word expected = idle;
    if (idle == Word::kFree && !cpus_[cpu].outside) continue;
    if (!cpus_[cpu].word.compare_exchange_strong(expected, Word::kBorrowed)) continue;
    cpus_[cpu].before_borrow = idle;
    return true;
  }
  return false;
}

void FakeVcpus::PutBack(int cpu) {
  Expect(cpus_[cpu].word == Word::kBorrowed);
  const Word before = cpus_[cpu].before_borrow;
  cpus_[cpu].word = before;
  if (cpus_[cpu].waits_out_borrow) cpus_[cpu].spot.Wake();
  if (before == Word::kFree && cpus_[cpu].asked) rendezvous_.Freed(cpu);
}

bool FakeVcpus::TryBorrow(int cpu) {
  Expect(sync::ThisThread().locks_held == 0);
  if (!Take(cpu)) return false;
  ++cpus_[cpu].borrows;
  return true;
}

void FakeVcpus::GiveBack(int cpu) {
  Expect(sync::ThisThread().locks_held == 0);
  PutBack(cpu);
}

bool FakeVcpus::Look(int cpu, const std::function<void()>& look) {
  if (!Take(cpu)) return false;
  look();
  PutBack(cpu);
  return true;
}

bool FakeVcpus::WakeIsLost(int cpu, bool) {
  Expect(sync::ThisThread().locks_held == 0);
  if (cpus_[cpu].word != Word::kParked || !Take(cpu)) return false;
  const bool lost =
      cpus_[cpu].before_borrow == Word::kParked && cpus_[cpu].interrupt && !cpus_[cpu].waking;
  PutBack(cpu);
  return lost;
}

void FakeVcpus::GoOutside(int cpu) {
  cpus_[cpu].outside = true;
  cpus_[cpu].word = Word::kFree;
  if (cpus_[cpu].asked) rendezvous_.Freed(cpu);
}

void FakeVcpus::ComeInside(int cpu) {
  Cpu& self = cpus_[cpu];
  self.waits_out_borrow = true;
  for (;;) {
    const uint32_t now = self.spot.Prepare();
    Word free = Word::kFree;
    if (self.word.compare_exchange_strong(free, Word::kUser)) break;
    self.spot.Park(now);
  }
  self.waits_out_borrow = false;
  self.outside = false;
}

std::string FakeVcpus::Describe(int cpu) {
  Expect(sync::ThisThread().locks_held == 0);
  static constexpr const char* kNames[] = {"free", "in user code", "in the guest", "parked",
                                           "borrowed"};
  return kNames[static_cast<int>(cpus_[cpu].word.load())];
}

std::string FakeVcpus::State() {
  std::string text;
  for (int cpu = 0; cpu < capacity_; ++cpu) {
    if (word(cpu) == Word::kFree) continue;
    text += fmt::format("  vCPU {}: {}, pending {}, notified {}, touched {}, entries {}\n", cpu,
                        Describe(cpu), rendezvous_.Pending(cpu), notified(cpu), touched(cpu),
                        entries(cpu));
  }
  return text;
}

Caller::Caller(FakeVcpus& vcpus, const CpuSet& targets, std::function<void(int)> function,
               Options options) {
  thread_ = std::thread([this, &vcpus, targets, options, function = std::move(function)] {
    result_ = vcpus.rendezvous().Execute(options.initiator, {.targets = targets,
                                                             .function = function,
                                                             .runs = options.runs,
                                                             .deadline = options.deadline,
                                                             .name = options.name});
    returned_ = true;
  });
}

Outcome Caller::outcome() {
  Join();
  return result_->ok() ? **result_ : Outcome();
}

absl::Status Caller::status() {
  Join();
  return result_->status();
}

Watchdog::Watchdog(FakeVcpus& vcpus, int seconds) {
  const uint64_t end = sync::Now() + static_cast<uint64_t>(seconds) * 1000 * kMs;
  thread_ = std::thread([this, &vcpus, end] {
    while (!done_) {
      const uint32_t seen = spot_.Prepare();
      if (done_) return;
      spot_.Park(seen, end);
      if (done_ || sync::Now() < end) continue;
      std::fprintf(stderr, "hang:\n%s", vcpus.State().c_str());
      std::fflush(stderr);
      alarm(5);  // the rendezvous' mutex may be what hangs
      std::fprintf(stderr, "  %s\n", vcpus.rendezvous().Describe().c_str());
      std::fflush(stderr);
      _exit(1);
    }
  });
}

Watchdog::~Watchdog() {
  done_ = true;
  spot_.Wake();
  thread_.join();
}

}  // namespace muster::rendezvous::test
