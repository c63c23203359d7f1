#pragma once

#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <poll.h>
#include <sys/mman.h>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include <muster/rendezvous/rendezvous.h>
#include <muster/vcpu/run/vm_core.h>

#include "test_vm.h"

namespace muster::vcpu {

// The vCPUs of a Vm without the Vm around them: so its rendezvous is at hand.
class Vcpus {
 public:
  explicit Vcpus(int cpus, VmConfig config = {.x2apic = true}) {
    absl::StatusOr<VmHandle> handle = VmHandle::Create(KvmOrSkip());
    REQUIRE(handle.ok());
    config.cpus = cpus;
    vm_ = std::make_unique<VmCore>(KvmOrSkip(), config, clock_, *std::move(handle));
    REQUIRE(vm_->AddVcpus().ok());
    ram_ = static_cast<uint8_t*>(mmap(nullptr, TestVm::kRamSize, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(ram_ != MAP_FAILED);
    REQUIRE(vm_->memory().Add(0, {ram_, TestVm::kRamSize}).ok());
    threads_.resize(static_cast<size_t>(cpus));
  }
  ~Vcpus() {
    vm_->Stop();
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    vm_.reset();
    munmap(ram_, TestVm::kRamSize);
  }
  Vcpus(const Vcpus&) = delete;
  Vcpus& operator=(const Vcpus&) = delete;

  VmCore& vm() { return *vm_; }
  rendezvous::Rendezvous& meetings() { return vm_->rendezvous(); }
  rendezvous::Counters counters() { return meetings().counters(); }
  rendezvous::Entries entries(int cpu) { return vm_->EntriesOf(cpu); }
  uint8_t* ram() { return ram_; }
  size_t says(int cpu) const { return says_[static_cast<size_t>(cpu)].load(); }

  void Load(uint64_t gpa, Snippet code) {
    std::memcpy(ram_ + gpa, code.begin, static_cast<size_t>(code.end - code.begin));
  }
  void SetIvt(uint8_t vector, uint16_t offset) {
    std::memcpy(ram_ + 4 * vector, &offset, sizeof(offset));
  }

  // Has vCPU `cpu`, whose thread is not there yet, begin with `code`: the bootstrap processor as it
  // may, another by a SIPI.
  void Begin(int cpu, Snippet code, StartState::Mode mode = StartState::Mode::kReal) {
    const uint64_t gpa = 0x4000 + 0x1000 * static_cast<uint64_t>(cpu);
    Load(gpa, code);
    if (cpu == 0) {
      REQUIRE(vm_->core(0).SetStart({.mode = mode, .rip = gpa}).ok());
      return;
    }
    REQUIRE(vm_->fabric()
                .SendMessage(kOutside, {.destination = static_cast<uint32_t>(cpu),
                                        .x2apic = true,
                                        .delivery_mode = apic::DeliveryMode::kStartup,
                                        .vector = static_cast<uint8_t>(gpa >> 12)})
                .ok());
  }
  // Runs it once, on this thread, to its next port exit.
  void RunOnce(int cpu) {
    REQUIRE(std::holds_alternative<PortExit>(vm_->vcpu(cpu).Run()));
    ++says_[static_cast<size_t>(cpu)];
  }
  // From here on it has a thread, which runs it until something other than a port exit.
  void Drive(int cpu) {
    threads_[static_cast<size_t>(cpu)] = std::thread([this, cpu] {
      while (std::holds_alternative<PortExit>(vm_->vcpu(cpu).Run())) {
        ++says_[static_cast<size_t>(cpu)];
      }
    });
  }
  void Join(int cpu) { threads_[static_cast<size_t>(cpu)].join(); }

  void Await(const std::function<bool()>& done) {
    for (int i = 0; i < 60'000 && !done(); ++i) poll(nullptr, 0, 1);
    INFO(meetings().Describe());
    REQUIRE(done());
  }

  void CheckNoDefect() {
    CHECK(counters().overruns == 0);
    CHECK(counters().escapes == 0);
    CHECK(counters().lost_wakes == 0);
    CHECK(counters().refused == 0);
  }

 private:
  TestClock clock_;
  std::unique_ptr<VmCore> vm_;
  uint8_t* ram_ = nullptr;
  std::vector<std::thread> threads_;
  std::array<std::atomic<size_t>, 4> says_{};
};

// A call on a thread of its own.
class Caller {
 public:
  Caller(Vcpus& vcpus, const rendezvous::CpuSet& targets, absl::FunctionRef<void(int)> function)
      : thread_([&vcpus, targets, function, this] {
          outcome_ =
              *vcpus.meetings().Execute(rendezvous::Initiator::Outside(),
                                        {.targets = targets, .function = function, .name = "test"});
          returned_ = true;
        }) {}
  ~Caller() {
    if (thread_.joinable()) thread_.join();
  }
  bool returned() const { return returned_; }
  const rendezvous::Outcome& outcome() {
    if (thread_.joinable()) thread_.join();
    return outcome_;
  }

 private:
  rendezvous::Outcome outcome_;
  std::atomic<bool> returned_{false};
  std::thread thread_;
};

}  // namespace muster::vcpu
