#include <fmt/format.h>

#include <muster/vmm/machine/machine.h>
#include <muster/vmm/stress/director.h>

namespace muster::vmm {
namespace {

constexpr uint64_t kPatienceNs = 2'000'000'000;  // after which a look at the vCPUs is given up

// SDM "Task and Processor Priorities".
bool TimerCanInterrupt(const vcpu::Inspection& vcpu) {
  return vcpu.timer_deadline_ns && vcpu.registers_known && vcpu.interrupts_on() &&
         vcpu.timer_vector >> 4 > vcpu.ppr >> 4;
}

const vcpu::Inspection* Find(const std::vector<vcpu::Inspection>& all, int cpu) {
  for (const vcpu::Inspection& vcpu : all) {
    if (vcpu.cpu == cpu) return &vcpu;
  }
  return nullptr;
}

}  // namespace

Director::Director(const Variant& variant, int cpus)
    : variant_(variant), cpus_(static_cast<size_t>(cpus)), holds_(variant.holds.size()) {}

void Director::Hint() { hint_.Signal(); }

bool Director::HaveCome(const std::vector<GateVisit>& all) const {
  for (const GateVisit& visit : all) {
    const auto visits = visits_.find({visit.cpu, visit.gate});
    if (visits == visits_.end() || visits->second < visit.visit) return false;
  }
  return true;
}

void Director::EndHold(size_t hold, HoldEnd::How how) {
  const int cpu = variant_.holds[hold].at.cpu;
  holds_[hold].how = how;
  holds_[hold].ns = machine_->NowNs();
  cpus_[static_cast<size_t>(cpu)].held_by.reset();
  ++moves_;
  machine_->LetGo(cpu);
}

void Director::Arrived(const vcpu::Inspection& at, const std::string& gate) {
  sync::MutexLock lock(mutex_);
  Cpu& cpu = cpus_[static_cast<size_t>(at.cpu)];
  // Held, and here all the same: it was started anew.
  if (cpu.held_by) holds_[*cpu.held_by].how = HoldEnd::How::kMet;
  cpu.held_by.reset();
  cpu.wait.reset();
  ++moves_;

  const GateVisit visit{at.cpu, gate, ++visits_[{at.cpu, gate}]};
  for (size_t i = 0; i < variant_.holds.size() && !cpu.held_by; ++i) {
    const Hold& hold = variant_.holds[i];
    if (!(hold.at == visit)) continue;
    const bool met = HaveCome(hold.until);
    holds_[i].how = met ? HoldEnd::How::kMet : HoldEnd::How::kStanding;
    if (!met) cpu.held_by = i;
  }
  arrivals_.push_back({.ns = machine_->NowNs(),
                       .visit = visit,
                       .rip = at.rip,
                       .held = cpu.held_by.has_value(),
                       .interrupts_on = at.interrupts_on()});
  if (!cpu.held_by) machine_->LetGo(at.cpu);

  for (size_t i = 0; i < holds_.size(); ++i) {
    if (holds_[i].how != HoldEnd::How::kStanding) continue;
    if (HaveCome(variant_.holds[i].until)) EndHold(i, HoldEnd::How::kMet);
  }
}

void Director::Waits(int number, const std::optional<DeclaredWait>& wait) {
  sync::MutexLock lock(mutex_);
  Cpu& cpu = cpus_[static_cast<size_t>(number)];
  if (cpu.wait == wait) {
    ++cpu.said;
  } else {
    cpu.wait = wait;
    cpu.said = 1;
    ++moves_;
  }
  said_.Signal();
  // Again each second time: one that had not come to its wait then may have by now.
  if (wait && !wait->halts && cpu.said % 2 == 0) Hint();
}

void Director::Misused(int cpu, const std::string& how) {
  {
    sync::MutexLock lock(mutex_);
    if (!misuse_.empty()) return;
    misuse_ = fmt::format("cpu {}: {}", cpu, how);
  }
  machine_->End({.kind = Ending::Kind::kInterrupted, .detail = how});
}

bool Director::AllSaid(const std::vector<uint64_t>& said, uint64_t times) const {
  for (size_t i = 0; i < cpus_.size(); ++i) {
    const std::optional<DeclaredWait>& wait = cpus_[i].wait;
    if (wait && !wait->halts && cpus_[i].said < said[i] + times) return false;
  }
  return true;
}

void Director::Look() {
  if (!hint_.Clear() || machine_->ending()) return;
  std::vector<uint64_t> said;
  uint64_t moves;
  {
    sync::MutexLock lock(mutex_);
    moves = moves_;
    for (const Cpu& cpu : cpus_) said.push_back(cpu.said);
  }
  const std::vector<vcpu::Inspection> before = machine_->Inspect(kPatienceNs);
  {
    sync::MutexLock lock(mutex_);
    const uint64_t deadline = sync::Now() + kPatienceNs;
    // Twice after the look: it began before the first of these.
    for (size_t i = 0; i < said.size(); ++i) said[i] = cpus_[i].said;
    while (moves_ == moves && !AllSaid(said, 2)) {
      if (!said_.WaitUntil(mutex_, deadline)) return;
    }
    if (moves_ != moves) return;
  }
  const std::vector<vcpu::Inspection> after = machine_->Inspect(kPatienceNs);
  {
    sync::MutexLock lock(mutex_);
    if (moves_ != moves || !NobodyCanMove(before, after) || BreakHold()) return;
    deadlock_ = true;
  }
  machine_->End({.kind = Ending::Kind::kNoProgress, .detail = "no CPU can ever move again"});
}

bool Director::NobodyCanMove(const std::vector<vcpu::Inspection>& before,
                             const std::vector<vcpu::Inspection>& after) const {
  for (int i = 0; i < static_cast<int>(cpus_.size()); ++i) {
    const Cpu& cpu = cpus_[static_cast<size_t>(i)];
    const vcpu::Inspection* first = Find(before, i);
    const vcpu::Inspection* last = Find(after, i);
    if (first == nullptr || last == nullptr) return false;
    if (cpu.held_by) continue;
    if (last->state == vcpu::RunState::kOffline) continue;
    const bool took_one = first->counters.injected != last->counters.injected ||
                          first->counters.nmis_injected != last->counters.nmis_injected ||
                          first->counters.extints_injected != last->counters.extints_injected ||
                          first->counters.inits != last->counters.inits ||
                          first->counters.startups != last->counters.startups;
    if (took_one || last->deliverable || TimerCanInterrupt(*last)) return false;
    if (cpu.wait && !cpu.wait->halts) continue;  // spins: see AllSaid
    // Of one that cannot be interrupted mail says nothing; of another, that it is about to wake.
    const bool asleep = last->state == vcpu::RunState::kWaitForSipi ||
                        (last->state == vcpu::RunState::kHalted && last->mailbox.empty());
    if (!asleep || first->counters.entries != last->counters.entries) return false;
  }
  return true;
}

bool Director::BreakHold() {
  for (size_t i = 0; i < holds_.size(); ++i) {
    if (holds_[i].how != HoldEnd::How::kStanding) continue;
    for (size_t cpu = 0; cpu < cpus_.size(); ++cpu) {
      if (cpus_[cpu].wait && !cpus_[cpu].held_by) {
        holds_[i].waits[static_cast<int>(cpu)] = *cpus_[cpu].wait;
      }
    }
    EndHold(i, HoldEnd::How::kForced);
    return true;
  }
  return false;
}

std::vector<Arrival> Director::arrivals() const {
  sync::MutexLock lock(mutex_);
  return arrivals_;
}

std::vector<HoldEnd> Director::holds() const {
  sync::MutexLock lock(mutex_);
  return holds_;
}

std::map<int, std::optional<DeclaredWait>> Director::waits() const {
  sync::MutexLock lock(mutex_);
  std::map<int, std::optional<DeclaredWait>> all;
  for (size_t i = 0; i < cpus_.size(); ++i) all[static_cast<int>(i)] = cpus_[i].wait;
  return all;
}

bool Director::deadlock() const {
  sync::MutexLock lock(mutex_);
  return deadlock_;
}

std::string Director::misuse() const {
  sync::MutexLock lock(mutex_);
  return misuse_;
}

}  // namespace muster::vmm
