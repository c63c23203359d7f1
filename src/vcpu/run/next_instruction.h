#pragma once

#include <absl/status/statusor.h>
#include <linux/kvm.h>

#include <muster/vcpu/kvm/memory_slots.h>
#include <muster/vcpu/kvm/vcpu_handle.h>

namespace muster::vcpu {

// What a single step over the guest's next instruction would mean.
struct NextInstruction {
  enum class Kind {
    kPlain,
    kPushesFlags,  // where the processor makes the step, TF with them
    kHalts,        // the step would take the place of its exit
    kDebugs,       // makes #DBs of the guest's own: INT1, MOV to DR, POPF or IRET that sets TF
  };
  Kind kind = Kind::kPlain;
  // Of what pushes flags: where RIP and RSP are once it has. Where it faults they are elsewhere.
  uint64_t rip_after = 0;
  uint64_t rsp_after = 0;
};

// By its bytes, prefixes included, and by the flags that it would pop. What is not mapped is plain:
// it faults.
absl::StatusOr<NextInstruction> FindNextInstruction(const VcpuHandle& handle,
                                                    const MemorySlots& memory, const kvm_regs& regs,
                                                    const kvm_sregs& sregs);

// Linear address of the byte `offset` above the top of the stack.
uint64_t StackAddress(const kvm_regs& regs, const kvm_sregs& sregs, uint64_t offset);

// One byte of guest memory by its linear address; null where it is not mapped, or no memory that
// may be written.
absl::StatusOr<uint8_t*> WritableGuestByte(const VcpuHandle& handle, const MemorySlots& memory,
                                           uint64_t linear);

}  // namespace muster::vcpu
