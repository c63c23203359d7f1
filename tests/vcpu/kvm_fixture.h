#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <linux/kvm.h>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <muster/vcpu/kvm/memory_slots.h>
#include <muster/vcpu/kvm/system.h>
#include <muster/vcpu/kvm/vcpu_handle.h>
#include <muster/vcpu/kvm/vm_handle.h>
#include <muster/vcpu/run/start_state.h>

namespace muster::vcpu {

// Prints why this test cannot run here and exits with 77.
[[noreturn]] void Skip(const std::string& reason);

// The host's KVM; skips where there is none that works.
const System& KvmOrSkip();

// Page-aligned, zeroed host memory.
class HostMemory {
 public:
  explicit HostMemory(size_t bytes);
  ~HostMemory();
  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

  std::span<uint8_t> bytes() { return bytes_; }

 private:
  std::span<uint8_t> bytes_;
};

// A VM with 64 KiB at guest-physical 0 and one vCPU, ready to run what Load puts there.
class TestGuest {
 public:
  static constexpr uint64_t kCode = 0x1000;
  // Tables that map the first 2 MiB to itself, at 0x4000 to 0x6fff.
  static constexpr uint64_t kPageTables = 0x4000;

  explicit TestGuest(int vcpu_id = 0);

  VmHandle& vm() { return *vm_; }
  MemorySlots& slots() { return slots_; }
  // The one that the test has added, at `gpa`, before its memory goes: the VM must not outlive it.
  void RemoveAdded(uint64_t gpa) {
    CHECK(vm().SetMemoryRegion(vm().memory_slots() - 3, gpa, {}, false).ok());
  }
  VcpuHandle& vcpu() { return *vcpu_; }
  kvm_run& run() { return vcpu_->run(); }
  std::span<uint8_t> memory() { return memory_.bytes(); }

  void Load(uint64_t address, std::initializer_list<uint8_t> code);
  // Sends a real-mode vector to 0000:`offset`.
  void SetVector(uint8_t vector, uint16_t offset);
  // Puts `code` at kCode and the vCPU before it.
  void Start(StartState::Mode mode, std::initializer_list<uint8_t> code);

  // Runs until an exit, whose reason this returns. Finishes the last exit on the way.
  uint32_t Run();
  // The register that the guest's next `out %eax, $port` holds.
  uint32_t RunToOut();
  // What is left of an exit after the caller has filled it in, without running on.
  void FinishExit();

 private:
  // Without a Vm.
  struct Slots : MemorySlots {
    explicit Slots(const VmHandle* vm) : MemorySlots(vm) {}
  };

  HostMemory memory_{0x10000};
  std::optional<VmHandle> vm_;
  Slots slots_;
  std::optional<VcpuHandle> vcpu_;
};

}  // namespace muster::vcpu
