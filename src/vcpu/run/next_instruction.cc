#include <muster/vcpu/run/next_instruction.h>

namespace muster::vcpu {
namespace {

constexpr uint64_t kEferLma = 1u << 10;
constexpr int kMaxPrefixes = 4;  // more than a sane instruction has

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

}  // namespace

absl::StatusOr<uint8_t*> GuestByte(const VcpuHandle& handle, const MemorySlots& memory,
                                   uint64_t linear) {
  const absl::StatusOr<kvm_translation> at = handle.Translate(linear);
  if (!at.ok()) return at.status();
  if (!at->valid) return nullptr;
  const std::span<uint8_t> byte = memory.Find(at->physical_address, 1);
  return byte.data();
}

uint64_t StackTop(const kvm_regs& regs, const kvm_sregs& sregs) {
  if (Is64Bit(sregs)) return regs.rsp;
  return sregs.ss.base + (regs.rsp & (sregs.ss.db != 0 ? UINT32_MAX : UINT16_MAX));
}

absl::StatusOr<NextInstruction> FindNextInstruction(const VcpuHandle& handle,
                                                    const MemorySlots& memory, const kvm_regs& regs,
                                                    const kvm_sregs& sregs) {
  uint64_t at = sregs.cs.base + regs.rip;
  const bool is_64_bit = Is64Bit(sregs);
  bool operand_size = false, rex_w = false;
  uint64_t flags_at = StackTop(regs, sregs);
  for (int i = 0; i <= kMaxPrefixes; ++i) {
    const absl::StatusOr<uint8_t*> byte = GuestByte(handle, memory, at++);
    if (!byte.ok()) return byte.status();
    if (*byte == nullptr) return NextInstruction::kPlain;
    const uint8_t opcode = **byte;
    switch (opcode) {
      case kHlt:
        return NextInstruction::kHalts;
      case kInt1:
        return NextInstruction::kDebugs;
      case kPushf:
        return NextInstruction::kPushesFlags;
      case kTwoByte: {
        const absl::StatusOr<uint8_t*> second = GuestByte(handle, memory, at);
        if (!second.ok()) return second.status();
        return *second != nullptr && **second == kMovToDr ? NextInstruction::kDebugs
                                                          : NextInstruction::kPlain;
      }
      case kIret:
        flags_at += 2 * IretSlot(sregs, operand_size, rex_w);
        [[fallthrough]];
      case kPopf: {
        const absl::StatusOr<uint8_t*> flags = GuestByte(handle, memory, flags_at + 1);
        if (!flags.ok()) return flags.status();
        const bool sets_tf = *flags != nullptr && (**flags & 1) != 0;
        return sets_tf ? NextInstruction::kDebugs : NextInstruction::kPlain;
      }
      default:
        if (!IsPrefix(opcode, is_64_bit)) return NextInstruction::kPlain;
        operand_size |= opcode == kOperandSize;
        rex_w = IsRex(opcode, is_64_bit) && (opcode & 8) != 0;
    }
  }
  return NextInstruction::kPlain;
}

}  // namespace muster::vcpu
