#pragma once

#include <absl/status/status.h>
#include <cstdint>
#include <span>
#include <variant>

namespace muster::vcpu {

// Why Vcpu::Run returned. Spans and pointers lead into the vCPU's kvm_run page and are good until
// the next Run of that vCPU; where the guest reads, the caller fills them before it calls Run
// again.

// IN or OUT. `data` holds `count` elements of `size` bytes each (1, 2 or 4); string instructions
// may bring more than one.
struct PortExit {
  uint16_t port;
  uint8_t size;
  uint32_t count;
  bool is_write;
  std::span<uint8_t> data;
};

// An access to a guest-physical address with no memory slot behind it, 1 to 8 bytes. Those to the
// local APIC and the I/O APIC are served inside Run and never seen here.
struct MmioExit {
  uint64_t address;
  bool is_write;
  std::span<uint8_t> data;
};

// RDMSR or WRMSR of a register that neither KVM nor the local APIC knows. #GP(0) is raised unless
// the caller clears `*fault`.
struct MsrExit {
  uint32_t index;
  bool is_write;
  uint64_t* value;
  uint8_t* fault;
};

// Vm::Stop was called, or this vCPU was taken out of the Vm.
struct StoppedExit {
  bool removed = false;  // by Vm::RemoveVcpu
};

// What the guest did that no CPU, or not this KVM, can carry on from.
struct GuestFaultExit {
  // What it was.
  enum class Kind {
    kTripleFault,
    kEmulationFailure,  // KVM_INTERNAL_ERROR_EMULATION: KVM cannot execute this instruction
    kEntryFailure,      // KVM_EXIT_FAIL_ENTRY: the processor refused the guest's state
    kApicOverRam,       // IA32_APIC_BASE moved onto a memory slot, where accesses would not exit
    kUnexpectedExit,    // an exit reason that this library does not ask for
  };
  Kind kind;
  uint64_t detail;                 // hardware reason, suberror or exit reason, by kind
  uint64_t rip;                    // of the instruction, or the last known one
  std::span<const uint8_t> bytes;  // of the refused instruction, where KVM gives them
};

// An ioctl failed on the host's side, or Run was misused; the status says which and on what vCPU.
struct HostErrorExit {
  absl::Status status;
};

// What Vcpu::Run returns.
using Exit = std::variant<PortExit, MmioExit, MsrExit, StoppedExit, GuestFaultExit, HostErrorExit>;

}  // namespace muster::vcpu
