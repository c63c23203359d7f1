#pragma once

#include <cstdint>
#include <memory>
#include <thread>

#include <muster/vcpu/kvm/system.h>
#include <muster/vcpu/run/clock.h>
#include <muster/vcpu/run/vcpu.h>
#include <muster/vcpu/run/vm.h>

#include "bare_kvm.h"

namespace muster::bench {

// A code snippet of guest_code.S.
struct Snippet {
  const uint8_t* begin;
  const uint8_t* end;
};
#define MUSTER_BENCH_SNIPPET(name)                       \
  ([]() -> ::muster::bench::Snippet {                    \
    extern const uint8_t name[] asm(#name);              \
    extern const uint8_t name##_end[] asm(#name "_end"); \
    return {name, name##_end};                           \
  }())

// Zeroed guest memory from 0, with code in it.
class Ram {
 public:
  static constexpr uint64_t kSize = 1 << 20;
  static constexpr uint16_t kBspCode = 0x1000;
  static constexpr uint16_t kApCode = 0x8000;  // SIPI vector 8

  Ram();
  ~Ram();
  Ram(const Ram&) = delete;
  Ram& operator=(const Ram&) = delete;

  uint8_t* bytes() { return bytes_; }
  void Load(uint64_t gpa, Snippet code);
  // Real-mode interrupt `vector` runs the code at `gpa`, a multiple of 16.
  void SetIvt(uint8_t vector, uint64_t gpa);

 private:
  uint8_t* bytes_;
};

// The guest on Muster's library. A failure ends the process.
class MusterVm {
 public:
  MusterVm(const vcpu::System& system, int cpus, Ram& ram);

  // Runs vCPU 0 on the calling thread until `exits` OUT instructions have been executed.
  void RunPortExits(int exits);
  // Runs vCPU 1 until Stop.
  void RunOther();
  void Stop() { vm_->Stop(); }

 private:
  // The guests here use no timer.
  class NoTimer final : public vcpu::Clock {
   public:
    uint64_t NowNs() override;
    void Arm(int, uint64_t) override {}
  };

  NoTimer clock_;
  std::unique_ptr<vcpu::Vm> vm_;
};

// The same on the bare loop.
struct BareDestroyer {
  void operator()(BareVm* vm) const { BareDestroy(vm); }
};
using BareVmPtr = std::unique_ptr<BareVm, BareDestroyer>;
BareVmPtr MakeBareVm(int cpus, Ram& ram);

// Seconds on CLOCK_MONOTONIC.
double Seconds();
// How fast this host's TSC runs, measured.
double TicksPerMicrosecond();

// Where KVM is: as for the command `muster`.
const char* KvmDevice();

}  // namespace muster::bench
