#include <fmt/format.h>

#include <muster/vcpu/kvm/reset_state.h>

namespace muster::vcpu {

namespace {

constexpr uint64_t kCr0Pe = 1u << 0;
constexpr uint64_t kCr0Et = 1u << 4;
constexpr uint64_t kCr0Nw = 1u << 29;
constexpr uint64_t kCr0Cd = 1u << 30;
constexpr uint64_t kCr0Pg = 1u << 31;
constexpr uint64_t kCr4Pae = 1u << 5;
constexpr uint64_t kEferLme = 1u << 8;
constexpr uint64_t kEferLma = 1u << 10;
constexpr uint64_t kRflagsReserved = 1u << 1;  // always 1

constexpr uint64_t kDr6AfterInit = 0xffff0ff0;
constexpr uint64_t kDr7AfterInit = 0x400;

// SDM "Code- and Data-Segment Descriptor Types" and "System-Segment and Gate-Descriptor Types".
constexpr uint8_t kReadWriteAccessed = 0x3;
constexpr uint8_t kExecuteReadAccessed = 0xb;
constexpr uint8_t kLdt = 0x2;
constexpr uint8_t kBusyTss = 0xb;

constexpr uint64_t kFourGib = 1ull << 32;
constexpr uint64_t kRealModeEnd = 1u << 20;

kvm_segment RealMode(uint16_t selector, uint64_t base, uint8_t type) {
  kvm_segment segment{};
  segment.selector = selector;
  segment.base = base;
  segment.limit = 0xffff;
  segment.type = type;
  segment.s = 1;
  segment.present = 1;
  return segment;
}

// LDTR and TR. VM entry wants a busy TSS in TR even where the guest has not loaded one (SDM "Checks
// on Guest Segment Registers").
kvm_segment System(uint8_t type) {
  kvm_segment segment{};
  segment.limit = 0xffff;
  segment.type = type;
  segment.present = 1;
  return segment;
}

kvm_segment Flat(uint16_t selector, uint8_t type) {
  kvm_segment segment{};
  segment.selector = selector;
  segment.limit = 0xffffffff;
  segment.type = type;
  segment.s = 1;
  segment.present = 1;
  segment.db = 1;
  segment.g = 1;
  return segment;
}

void SetData(kvm_sregs& sregs, const kvm_segment& data) {
  sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
}

Registers RealModeRegisters(uint64_t cr0, const kvm_sregs& before, uint32_t signature) {
  Registers state{};  // interrupt_bitmap too: a bit left in it would be queued again
  state.regs.rip = 0xfff0;
  state.regs.rflags = kRflagsReserved;
  state.regs.rdx = signature;

  kvm_sregs& sregs = state.sregs;
  sregs.cs = RealMode(0xf000, 0xffff0000, kExecuteReadAccessed);
  SetData(sregs, RealMode(0, 0, kReadWriteAccessed));
  sregs.ldt = System(kLdt);
  sregs.tr = System(kBusyTss);
  sregs.gdt.limit = 0xffff;
  sregs.idt.limit = 0xffff;
  sregs.cr0 = cr0;
  sregs.apic_base = before.apic_base;
  return state;
}

}  // namespace

Registers AfterPowerUp(const kvm_sregs& before, uint32_t signature) {
  return RealModeRegisters(kCr0Cd | kCr0Nw | kCr0Et, before, signature);
}

Registers AfterInit(const kvm_sregs& before, uint32_t signature) {
  return RealModeRegisters((before.cr0 & (kCr0Cd | kCr0Nw)) | kCr0Et, before, signature);
}

void ApplySipi(uint8_t vector, Registers& registers) {
  registers.sregs.cs.selector = static_cast<uint16_t>(vector << 8);
  registers.sregs.cs.base = static_cast<uint64_t>(vector) << 12;
  registers.regs.rip = 0;
}

absl::StatusOr<Registers> AtStart(const StartState& start, const kvm_sregs& before,
                                  uint32_t signature) {
  const auto refuse = [&start](const char* rule) {
    return absl::InvalidArgumentError(
        fmt::format("start state with rip {:#x}, rsp {:#x}, cr3 {:#x}: {}", start.rip, start.rsp,
                    start.cr3, rule));
  };
  // Whoever loaded the image has turned the caches on, as firmware does.
  Registers state = RealModeRegisters(kCr0Et, before, signature);
  kvm_sregs& sregs = state.sregs;
  state.regs = {};
  state.regs.rflags = kRflagsReserved;
  state.regs.rip = start.rip;
  state.regs.rsp = start.rsp;
  state.regs.rax = start.rax;
  state.regs.rbx = start.rbx;
  state.regs.rsi = start.rsi;
  state.regs.rdi = start.rdi;

  if (start.mode == StartState::Mode::kReal) {
    if (start.rip >= kRealModeEnd) return refuse("real mode starts below 1 MiB");
    const uint64_t base = start.rip & ~uint64_t{0xf};
    sregs.cs = RealMode(static_cast<uint16_t>(base >> 4), base, kExecuteReadAccessed);
    state.regs.rip = start.rip - base;
    return state;
  }

  sregs.cs = Flat(start.code_selector, kExecuteReadAccessed);
  SetData(sregs, Flat(start.data_selector, kReadWriteAccessed));
  sregs.gdt.base = start.gdt_base;
  sregs.gdt.limit = start.gdt_limit;
  sregs.idt.limit = 0;
  sregs.cr0 |= kCr0Pe;
  if (start.mode == StartState::Mode::kProtected32) {
    if (start.rip >= kFourGib || start.rsp >= kFourGib) {
      return refuse("protected mode reaches 4 GiB");
    }
    return state;
  }

  if (start.cr3 % 4096 != 0) return refuse("the page tables lie on a page boundary");
  sregs.cs.l = 1;
  sregs.cs.db = 0;
  sregs.cr0 |= kCr0Pg;
  sregs.cr3 = start.cr3;
  sregs.cr4 = kCr4Pae;
  sregs.efer = kEferLme | kEferLma;
  return state;
}

kvm_vcpu_events EventsAfterInit() {
  kvm_vcpu_events events{};
  events.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
  return events;
}

kvm_debugregs DebugRegsAfterInit() {
  kvm_debugregs debugregs{};
  debugregs.dr6 = kDr6AfterInit;
  debugregs.dr7 = kDr7AfterInit;
  return debugregs;
}

}  // namespace muster::vcpu
