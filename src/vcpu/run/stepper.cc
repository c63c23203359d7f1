#include <utility>

#include <muster/vcpu/run/next_instruction.h>
#include <muster/vcpu/run/stepper.h>

namespace muster::vcpu {
namespace {

using Kind = NextInstruction::Kind;

constexpr uint64_t kTf = 1u << 8;

// SDM "Debug Status Register (DR6)", "Debug Control Register (DR7)".
constexpr uint64_t kDr6Hits = 0xf, kDr6Bs = 1u << 14;
constexpr uint64_t kDr7Enables = 0xff, kDr7Gd = 1u << 13;

absl::Status SetStepping(VcpuHandle& handle, bool on) {
  kvm_guest_debug debug{};
  if (on) debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
  return handle.SetGuestDebug(debug);
}

// Of the breakpoints that DR6 names, those that DR7 enables and that are traps: of data or I/O. One
// of execution is a fault, and comes again.
uint64_t EnabledTraps(uint64_t dr6, uint64_t dr7) {
  uint64_t traps = 0;
  for (int i = 0; i < 4; ++i) {
    const bool enabled = (dr7 >> (2 * i) & 3) != 0, is_trap = (dr7 >> (16 + 4 * i) & 3) != 0;
    if (enabled && is_trap) traps |= dr6 & 1u << i;
  }
  return traps;
}

}  // namespace

absl::Status Stepper::Arm(VcpuHandle& handle, const MemorySlots& memory) {
  const absl::StatusOr<bool> may_step = MayStep(handle, memory);
  if (!may_step.ok()) return may_step.status();
  if (!*may_step) return Disarm(handle);
  if (armed_) return absl::OkStatus();
  armed_ = true;
  return SetStepping(handle, true);
}

absl::Status Stepper::DisarmNow(VcpuHandle& handle) {
  armed_ = false;
  return SetStepping(handle, false);
}

absl::StatusOr<bool> Stepper::MayStep(VcpuHandle& handle, const MemorySlots& memory) {
  const absl::StatusOr<Registers> registers = GetRegisters(handle);
  if (!registers.ok()) return registers.status();
  const auto& [regs, sregs] = *registers;
  const absl::StatusOr<NextInstruction> next = FindNextInstruction(handle, memory, regs, sregs);
  if (!next.ok()) return next.status();
  next_ = *next;
  if (next_.kind == Kind::kHalts || next_.kind == Kind::kDebugs) return false;
  // While it is armed KVM hides TF, and nothing that could change it or DR7 is stepped over.
  if (armed_) return true;
  if ((regs.rflags & kTf) != 0) return false;
  const absl::StatusOr<kvm_debugregs> debug = handle.GetDebugRegs();
  if (!debug.ok()) return debug.status();
  return (debug->dr7 & (kDr7Enables | kDr7Gd)) == 0;
}

absl::StatusOr<bool> Stepper::Stepped(VcpuHandle& handle, const MemorySlots& memory) {
  const kvm_debug_exit_arch& exit = handle.run().debug.arch;
  const uint64_t traps = EnabledTraps(exit.dr6, exit.dr7);
  if (traps == 0 && (exit.dr6 & kDr6Bs) != 0) {
    if (budget_ > 0) --budget_;
    if (const absl::Status status = MendPushedFlags(handle, memory); !status.ok()) return status;
    return false;
  }
  budget_ = 0;                   // the guest debugs itself
  if (traps == 0) return false;  // a fault, or INT1: unstepped, it comes again, to the guest
  const absl::StatusOr<kvm_debugregs> before = handle.GetDebugRegs();
  if (!before.ok()) return before.status();
  kvm_debugregs debug = *before;
  debug.dr6 = (debug.dr6 & ~kDr6Hits) | traps;
  if (const absl::Status status = handle.SetDebugRegs(debug); !status.ok()) return status;
  return true;
}

absl::Status Stepper::MendPushedFlags(VcpuHandle& handle, const MemorySlots& memory) {
  const NextInstruction stepped = std::exchange(next_, {});
  if (stepped.kind != Kind::kPushesFlags) return absl::OkStatus();
  const absl::StatusOr<Registers> registers = GetRegisters(handle);
  if (!registers.ok()) return registers.status();
  const auto& [regs, sregs] = *registers;
  // Where it faulted, the step was over the handler's first instruction, and the stack is another.
  if (regs.rip != stepped.rip_after || regs.rsp != stepped.rsp_after) return absl::OkStatus();
  const absl::StatusOr<uint8_t*> byte =
      WritableGuestByte(handle, memory, StackAddress(regs, sregs, 1));
  if (!byte.ok()) return byte.status();
  if (*byte != nullptr) **byte &= static_cast<uint8_t>(~(kTf >> 8));
  return absl::OkStatus();
}

absl::StatusOr<Stepper::Registers> Stepper::GetRegisters(VcpuHandle& handle) {
  // KVM_RUN brings the registers along where it was asked to, for nothing.
  constexpr uint64_t kWanted = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
  kvm_run& run = handle.run();
  if ((filled_ & kWanted) == kWanted) return Registers(run.s.regs.regs, run.s.regs.sregs);
  run.kvm_valid_regs |= kWanted;
  const absl::StatusOr<kvm_regs> regs = handle.GetRegs();
  if (!regs.ok()) return regs.status();
  const absl::StatusOr<kvm_sregs> sregs = handle.GetSregs();
  if (!sregs.ok()) return sregs.status();
  return Registers(*regs, *sregs);
}

}  // namespace muster::vcpu
