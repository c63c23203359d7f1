// A VM with a little RAM and a snippet of 32-bit code, for tests that need no image.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <initializer_list>
#include <iostream>
#include <memory>
#include <sys/mman.h>

#include <muster/vcpu/kvm/memory_slots.h>
#include <muster/vcpu/kvm/system.h>
#include <muster/vcpu/run/vcpu.h>
#include <muster/vcpu/run/vm.h>

#include "c/check.h"

// `status` has this code, and a message that holds both words.
#define CHECK_ERROR(status, Is, word, other)                               \
  do {                                                                     \
    const absl::Status status_ = (status);                                 \
    const std::string message_(status_.message());                         \
    if (!absl::Is(status_) || message_.find(word) == std::string::npos ||  \
        message_.find(other) == std::string::npos) {                       \
      std::cerr << __FILE__ << ":" << __LINE__ << ": " << status_ << "\n"; \
      std::_Exit(1);                                                       \
    }                                                                      \
  } while (false)

// Deadlines are kept, and nobody tells of them unless the test does.
struct StillClock : muster::vcpu::Clock {
  uint64_t NowNs() override {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  }
  void Arm(int, uint64_t deadline_ns) override {
    deadline = deadline_ns;
    ++armed;
  }
  std::atomic<uint64_t> deadline{kNever};
  std::atomic<int> armed{0};
};

inline const muster::vcpu::System& Kvm() {
  static const absl::StatusOr<muster::vcpu::System> system = muster::vcpu::System::Open();
  if (!system.ok()) {
    std::cerr << "skipped: " << system.status() << "\n";
    std::_Exit(77);
  }
  return *system;
}

class SmallVm {
 public:
  static constexpr size_t kRam = 64 * 1024;
  static constexpr uint64_t kCode = 0x1000;

  SmallVm(std::initializer_list<uint8_t> code, muster::vcpu::VmConfig config = {})
      : SmallVm(code, config, own_clock_) {}
  SmallVm(std::initializer_list<uint8_t> code, muster::vcpu::VmConfig config,
          muster::vcpu::Clock& clock) {
    ram_ = static_cast<uint8_t*>(
        mmap(nullptr, kRam, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    auto vm = muster::vcpu::Vm::Create(Kvm(), config, clock);
    if (!vm.ok()) std::cerr << vm.status() << "\n";
    CHECK(vm.ok());
    vm_ = *std::move(vm);
    CHECK(vm_->memory().Add(0, {ram_, kRam}).ok());
    std::memcpy(ram_ + kCode, code.begin(), code.size());
    muster::vcpu::StartState start;
    start.rip = kCode;
    CHECK(vm_->SetStart(start).ok());
  }
  ~SmallVm() {
    vm_.reset();
    munmap(ram_, kRam);
  }

  muster::vcpu::Vm& operator*() { return *vm_; }
  muster::vcpu::Vm* operator->() { return vm_.get(); }
  muster::vcpu::Vcpu& cpu(int number) { return vm_->vcpu(number); }

 private:
  StillClock own_clock_;
  uint8_t* ram_ = nullptr;
  std::unique_ptr<muster::vcpu::Vm> vm_;
};

inline absl::Status ErrorOf(const muster::vcpu::Exit& exit) {
  const auto* error = std::get_if<muster::vcpu::HostErrorExit>(&exit);
  return error != nullptr ? error->status : absl::OkStatus();
}

// out 0x10; jmp back
#define OUT_FOR_EVER \
  { 0xe6, 0x10, 0xeb, 0xfc }
