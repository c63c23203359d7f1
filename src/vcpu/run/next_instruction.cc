#include <muster/vcpu/run/next_instruction.h>

namespace muster::vcpu {
namespace {

using Kind = NextInstruction::Kind;

constexpr uint64_t kEferLma = 1u << 10;
constexpr uint64_t kNowhere = UINT64_MAX;  // no memory is there
constexpr uint64_t kMaxPrefixes = 14;      // of an instruction's 15 bytes at most

constexpr uint8_t kOperandSize = 0x66, kTwoByte = 0x0f, kMovToDr = 0x23, kPushf = 0x9c,
                  kPopf = 0x9d, kIret = 0xcf, kInt1 = 0xf1, kHlt = 0xf4;

bool Is64Bit(const kvm_sregs& sregs) { return (sregs.efer & kEferLma) != 0 && sregs.cs.l != 0; }

bool IsRex(uint8_t byte, bool is_64_bit) { return is_64_bit && (byte & 0xf0) == 0x40; }

bool IsPrefix(uint8_t byte, bool is_64_bit) {
  switch (byte) {
    case kOperandSize:
    case 0x67:  // address size
    case 0xf0:  // LOCK
    case 0xf2:  // REPNE
    case 0xf3:  // REP
    case 0x26:  // segments
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
      return true;
    default:
      return IsRex(byte, is_64_bit);
  }
}

// The size of what IRET pops, three times (SDM "IRET/IRETD/IRETQ").
uint64_t IretSlot(const kvm_sregs& sregs, bool operand_size, bool rex_w) {
  if (rex_w) return 8;
  const bool default_is_32 = Is64Bit(sregs) || sregs.cs.db != 0;
  return default_is_32 != operand_size ? 4 : 2;
}

// SDM "PUSHF/PUSHFD/PUSHFQ": in 64-bit mode 8, or 2.
uint64_t PushfSlot(const kvm_sregs& sregs, bool operand_size, bool rex_w) {
  if (Is64Bit(sregs)) return operand_size && !rex_w ? 2 : 8;
  return IretSlot(sregs, operand_size, rex_w);
}

// Of RSP, as much as addresses the stack (SDM "Address-Size Attribute for Stack").
uint64_t StackMask(const kvm_sregs& sregs) {
  if (Is64Bit(sregs)) return UINT64_MAX;
  return sregs.ss.db != 0 ? UINT32_MAX : UINT16_MAX;
}

// Outside 64-bit mode linear addresses wrap at 4 GiB.
uint64_t Linear(const kvm_sregs& sregs, const kvm_segment& segment, uint64_t offset) {
  return Is64Bit(sregs) ? offset : (segment.base + offset) & UINT32_MAX;
}

absl::StatusOr<uint64_t> Physical(const VcpuHandle& handle, uint64_t linear) {
  const absl::StatusOr<kvm_translation> at = handle.Translate(linear);
  if (!at.ok()) return at.status();
  return at->valid != 0 ? at->physical_address : kNowhere;
}

absl::StatusOr<const uint8_t*> GuestByte(const VcpuHandle& handle, const MemorySlots& memory,
                                         uint64_t linear) {
  const absl::StatusOr<uint64_t> at = Physical(handle, linear);
  if (!at.ok()) return at.status();
  return memory.Find(*at, 1).data();
}

NextInstruction PushesFlags(const kvm_regs& regs, const kvm_sregs& sregs, uint64_t length,
                            uint64_t slot) {
  const uint64_t mask = StackMask(sregs);
  return {.kind = Kind::kPushesFlags,
          .rip_after = regs.rip + length,
          .rsp_after = (regs.rsp & ~mask) | ((regs.rsp - slot) & mask)};
}

}  // namespace

absl::StatusOr<uint8_t*> WritableGuestByte(const VcpuHandle& handle, const MemorySlots& memory,
                                           uint64_t linear) {
  const absl::StatusOr<uint64_t> at = Physical(handle, linear);
  if (!at.ok()) return at.status();
  return memory.FindWritable(*at, 1).data();
}

uint64_t StackAddress(const kvm_regs& regs, const kvm_sregs& sregs, uint64_t offset) {
  return Linear(sregs, sregs.ss, (regs.rsp + offset) & StackMask(sregs));
}

absl::StatusOr<NextInstruction> FindNextInstruction(const VcpuHandle& handle,
                                                    const MemorySlots& memory, const kvm_regs& regs,
                                                    const kvm_sregs& sregs) {
  const NextInstruction plain, halts{.kind = Kind::kHalts}, debugs{.kind = Kind::kDebugs};
  const bool is_64_bit = Is64Bit(sregs);
  const auto code = [&](uint64_t offset) {
    return GuestByte(handle, memory, Linear(sregs, sregs.cs, regs.rip + offset));
  };
  bool operand_size = false, rex_w = false;
  uint64_t flags_at = 0;  // above the top of the stack
  for (uint64_t i = 0; i <= kMaxPrefixes; ++i) {
    const absl::StatusOr<const uint8_t*> byte = code(i);
    if (!byte.ok()) return byte.status();
    if (*byte == nullptr) return plain;
    const uint8_t opcode = **byte;
    switch (opcode) {
      case kHlt:
        return halts;
      case kInt1:
        return debugs;
      case kPushf:
        return PushesFlags(regs, sregs, i + 1, PushfSlot(sregs, operand_size, rex_w));
      case kTwoByte: {
        const absl::StatusOr<const uint8_t*> second = code(i + 1);
        if (!second.ok()) return second.status();
        return *second != nullptr && **second == kMovToDr ? debugs : plain;
      }
      case kIret:
        flags_at = 2 * IretSlot(sregs, operand_size, rex_w);
        [[fallthrough]];
      case kPopf: {
        const absl::StatusOr<const uint8_t*> flags =
            GuestByte(handle, memory, StackAddress(regs, sregs, flags_at + 1));
        if (!flags.ok()) return flags.status();
        const bool sets_tf = *flags != nullptr && (**flags & 1) != 0;
        return sets_tf ? debugs : plain;
      }
      default:
        if (!IsPrefix(opcode, is_64_bit)) return plain;
        operand_size |= opcode == kOperandSize;
        rex_w = IsRex(opcode, is_64_bit) && (opcode & 8) != 0;
    }
  }
  return plain;
}

}  // namespace muster::vcpu
