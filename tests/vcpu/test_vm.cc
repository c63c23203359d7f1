#include "test_vm.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>

namespace muster::vcpu {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
// Ends a hang with a diagnosis; on the slowest KVM what is awaited takes a few seconds.
constexpr auto kPatience = std::chrono::seconds(60);

std::string Describe(const Inspection& i) {
  return fmt::format(
      "  CPU {}: {}, rip {:#x} cs {:#x} flags {:#x}, IRR {} ISR {} mail {}, tpr {:#x}, entries {}, "
      "kicks {}, parks {}, steps {}, windows {}\n",
      i.cpu, ToString(i.state), i.rip, i.cs_base, i.rflags, i.irr.size(), i.isr.size(),
      i.mailbox.size(), i.tpr, i.counters.entries, i.counters.kicks, i.counters.parks,
      i.counters.debug_exits, i.counters.window_exits);
}

}  // namespace

extern "C" {
// Made by snippets/snippet.inc; the linker names the ends.
struct NamedSnippet {
  const char* name;
  const uint8_t* begin;
  const uint8_t* end;
};
extern const NamedSnippet muster_snippets[] __asm__("__start_muster_snippets");
extern const NamedSnippet muster_snippets_end[] __asm__("__stop_muster_snippets");
}

Snippet FindSnippet(const char* name) {
  for (const NamedSnippet* snippet = muster_snippets; snippet != muster_snippets_end; ++snippet) {
    if (strcmp(snippet->name, name) == 0) return {snippet->begin, snippet->end};
  }
  FAIL("no snippet " << name << " in snippets/");
  return {};
}

TestClock::TestClock() : thread_([this] { Loop(); }) {}

TestClock::~TestClock() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void TestClock::AtNextLook(std::thread::id thread, std::function<void()> function) {
  at_next_look_ = std::move(function);
  looks_next_ = thread;
}

uint64_t TestClock::NowNs() {
  if (std::thread::id thread = std::this_thread::get_id();
      looks_next_.compare_exchange_strong(thread, std::thread::id())) {
    const auto look = std::move(at_next_look_);  // it may say what is done at the one after it
    look();
  }
  if (const uint64_t held_at = held_at_; held_at != kNever) return held_at;
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) -
         behind_;
}

void TestClock::Hold() {
  std::lock_guard lock(mutex_);
  held_at_ = NowNs();
}

void TestClock::Continue() {
  std::lock_guard lock(mutex_);
  const uint64_t held_at = held_at_;
  held_at_ = kNever;
  behind_ += NowNs() - held_at;
  changed_.notify_one();
}

void TestClock::Arm(int cpu, uint64_t deadline_ns) {
  {
    std::lock_guard lock(mutex_);
    deadlines_[cpu] = deadline_ns;
  }
  changed_.notify_one();
}

void TestClock::Attach(Vm* vm) {
  std::lock_guard lock(mutex_);
  vm_ = vm;
}

void TestClock::Loop() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    const auto next =
        std::min_element(deadlines_.begin(), deadlines_.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    if (next == deadlines_.end() || next->second == kNever || held_at_ != kNever) {
      changed_.wait(lock);
    } else if (const uint64_t now = NowNs(); now < next->second) {
      changed_.wait_for(lock, std::chrono::nanoseconds(next->second - now));
    } else {
      next->second = kNever;
      if (vm_ != nullptr) vm_->TimerExpired(next->first);
    }
  }
}

void Skip(const std::string& reason) {
  fmt::print("skipped: {}\n", reason);
  std::fflush(stdout);
  _exit(77);
}

const System& KvmOrSkip() {
  static const absl::StatusOr<System> kSystem = System::Open();
  if (!kSystem.ok()) Skip(kSystem.status().ToString());
  return *kSystem;
}

TestVm::TestVm(int cpus, VmConfig config) {
  ram_ = static_cast<uint8_t*>(mmap(nullptr, kRamSize, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  REQUIRE(ram_ != MAP_FAILED);
  config.cpus = cpus;
  absl::StatusOr<std::unique_ptr<Vm>> vm = Vm::Create(KvmOrSkip(), config, clock_);
  INFO(vm.status().ToString());
  REQUIRE(vm.ok());
  vm_ = *std::move(vm);
  clock_.Attach(vm_.get());
  REQUIRE(vm_->memory().Add(0, {ram_, kRamSize}).ok());
  last_exits_.resize(static_cast<size_t>(vm_->cpus()), StoppedExit{});
}

TestVm::~TestVm() {
  Stop();
  CheckNoDefect();
  clock_.Attach(nullptr);
  vm_.reset();
  munmap(ram_, kRamSize);
}

uint32_t TestVm::Word(uint64_t gpa) const {
  return std::atomic_ref(*reinterpret_cast<uint32_t*>(ram_ + gpa)).load();
}

void TestVm::Load(uint64_t gpa, Snippet code) {
  memcpy(ram_ + gpa, code.begin, static_cast<size_t>(code.end - code.begin));
}

void TestVm::SetIvt(uint8_t vector, uint64_t gpa) {
  const uint16_t entry[2] = {0, static_cast<uint16_t>(gpa >> 4)};
  memcpy(ram_ + vector * 4, entry, sizeof(entry));
}

void TestVm::Start() { StartAt({.mode = StartState::Mode::kReal, .rip = kBspCode}); }

void TestVm::StartAt(const StartState& start) {
  REQUIRE(vm_->SetStart(start).ok());
  for (int cpu = 0; cpu < vm_->cpus(); ++cpu) {
    if (vm_->HasVcpu(cpu)) threads_.emplace_back([this, cpu] { Drive(cpu); });
  }
}

void TestVm::Drive(int cpu) {
  for (;;) {
    Exit exit = vm_->vcpu(cpu).Run();
    if (const auto* port = std::get_if<PortExit>(&exit)) {
      Record(cpu, *port);
    } else if (const auto* mmio = std::get_if<MmioExit>(&exit)) {
      if (!mmio->is_write) std::fill(mmio->data.begin(), mmio->data.end(), uint8_t{0xff});
    } else if (!std::holds_alternative<MsrExit>(exit)) {
      std::lock_guard lock(mutex_);
      last_exits_[static_cast<size_t>(cpu)] = std::move(exit);
      written_.notify_all();
      return;
    }
  }
}

void TestVm::Record(int cpu, const PortExit& exit) {
  std::unique_lock lock(mutex_);
  if (!exit.is_write && (exit.port == 0x41 || exit.port == 0x42)) {
    std::deque<uint32_t>& asked = asked_[exit.port];
    written_.wait(lock, [&] { return stopping_ || !asked.empty(); });
    const uint32_t value = stopping_ ? 0x80000 : asked.front();  // a harmless address
    if (!asked.empty()) asked.pop_front();
    memcpy(exit.data.data(), &value, sizeof(value));
    return;
  }
  for (uint32_t i = 0; i < exit.count; ++i) {
    uint8_t* data = exit.data.data() + size_t{i} * exit.size;
    if (exit.is_write) {
      uint32_t value = 0;
      memcpy(&value, data, exit.size);
      writes_.push_back({cpu, exit.port, value});
    } else {
      const uint32_t value = inputs_[exit.port];
      memcpy(data, &value, exit.size);
    }
  }
  written_.notify_all();
}

void TestVm::Await(const std::string& what, const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) {
      FAIL("waited in vain for " << what << "\n" << Describe());
    }
    std::unique_lock lock(mutex_);
    written_.wait_for(lock, std::chrono::milliseconds(1));
  }
}

void TestVm::AwaitWrites(uint16_t port, size_t count) {
  Await(fmt::format("{} writes to port {:#x}", count, port),
        [&] { return CountWrites(port) >= count; });
}

std::vector<TestVm::Write> TestVm::Writes(uint16_t port) const {
  std::lock_guard lock(mutex_);
  std::vector<Write> found;
  std::copy_if(writes_.begin(), writes_.end(), std::back_inserter(found),
               [port](const Write& write) { return write.port == port; });
  return found;
}

void TestVm::Store(uint64_t gpa, uint32_t value) {
  {
    std::lock_guard lock(mutex_);
    asked_[0x41].push_back(static_cast<uint32_t>(gpa));
    asked_[0x42].push_back(value);
  }
  written_.notify_all();
  AwaitWrites(0x43, ++stores_);
}

void TestVm::Answer() {
  {
    std::lock_guard lock(mutex_);
    asked_[0x41].push_back(0);
  }
  written_.notify_all();
}

void TestVm::SetInput(uint16_t port, uint32_t value) {
  std::lock_guard lock(mutex_);
  inputs_[port] = value;
}

Inspection TestVm::AwaitAsleep(int cpu) {
  Inspection seen;
  Await(fmt::format("CPU {} to sleep", cpu), [&] {
    // Granted while its thread is parked, or is not inside Run: then it has yet to park.
    const absl::StatusOr<Inspection> now = vm_->vcpu(cpu).Inspect();
    if (!now.ok() || now->counters.parks == 0) return false;
    seen = *now;
    return true;
  });
  return seen;
}

Inspection TestVm::Look(int cpu) {
  for (const Inspection& i : vm_->InspectAll(10 * kSecond)) {
    if (i.cpu == cpu) return i;
  }
  FAIL("CPU " << cpu << " did not answer\n" << Describe());
  return {};
}

void TestVm::CheckNoDefect() const {
  const rendezvous::Counters counters = vm_->meeting_counters();
  CHECK(counters.overruns == 0);
  CHECK(counters.escapes == 0);
  CHECK(counters.lost_wakes == 0);
}

std::string TestVm::Describe() {
  std::string text;
  for (const Inspection& i : vm_->InspectAll(kSecond)) text += vcpu::Describe(i);
  std::lock_guard lock(mutex_);
  for (size_t cpu = 0; cpu < last_exits_.size(); ++cpu) {
    if (const auto* fault = std::get_if<GuestFaultExit>(&last_exits_[cpu])) {
      text += fmt::format("  CPU {} faulted: kind {} detail {:#x} rip {:#x}\n", cpu,
                          static_cast<int>(fault->kind), fault->detail, fault->rip);
    } else if (const auto* error = std::get_if<HostErrorExit>(&last_exits_[cpu])) {
      text += fmt::format("  CPU {} failed: {}\n", cpu, error->status.ToString());
    }
  }
  return text;
}

void TestVm::Stop() {
  vm_->Stop();
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  written_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace muster::vcpu
