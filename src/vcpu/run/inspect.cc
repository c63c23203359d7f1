#include <fmt/format.h>

#include <muster/vcpu/run/vcpu_core.h>
#include <muster/vcpu/run/vm_core.h>

namespace muster::vcpu {
namespace {

std::vector<uint8_t> Vectors(const apic::VectorSet& set) {
  std::vector<uint8_t> vectors;
  for (int vector = 0; vector < 256; ++vector) {
    if (set.Contains(static_cast<uint8_t>(vector))) vectors.push_back(static_cast<uint8_t>(vector));
  }
  return vectors;
}

// kvm_amd resets a vCPU that triple-faults before user space can look at it.
bool IsResetVector(const kvm_regs& regs, const kvm_sregs& sregs) {
  return regs.rip == 0xfff0 && sregs.cs.base == 0xffff0000;
}

}  // namespace

std::string VcpuCore::Describe() const {
  std::string text = ToString(trail_.state.Load(std::memory_order_relaxed));
  switch (doorbell_.execution()) {
    case Execution::kFree:
      text += ", in its caller's hands";
      break;
    case Execution::kUser:
      text += ", in the run loop";
      break;
    case Execution::kGuest:
    case Execution::kGuestBusy:
      text += ", in the guest";
      break;
    case Execution::kParked:
      text += ", asleep";
      break;
    case Execution::kBorrowed:
      text += ", acted for by another thread";
      break;
  }
  text += fmt::format(", entry {}, last exit {}", doorbell_.entries().made,
                      trail_.exit_reason.Load(std::memory_order_relaxed));
  const uint64_t rip = trail_.rip.Load(std::memory_order_relaxed);
  if (rip != kNoRip) text += fmt::format(" at rip {:#x}", rip);
  return text;
}

Inspection VcpuCore::Inspect() {
  Inspection i;
  i.cpu = cpu_;
  i.apic_id = lapic_.identity().id;
  i.state = state_;
  i.held = held_;
  i.apic_enabled = lapic_.enabled();
  i.apic_software_enabled = lapic_.software_enabled();
  i.x2apic = lapic_.mode() == apic::ApicMode::kX2apic;
  i.tpr = lapic_.tpr();
  i.ppr = lapic_.ppr();
  i.irr = Vectors(lapic_.irr());
  i.isr = Vectors(lapic_.isr());
  mailbox_.Peek([&i](uint8_t vector) { i.mailbox.push_back(vector); });
  i.nmi_pending = nmi_pending_ || (doorbell_.requests() & kRequestNmi) != 0;
  i.extint_accepted = lapic_.AcceptsExtInt();
  i.extint_pending = extint_mail_ || WireIsHigh() || (doorbell_.requests() & kRequestExtInt) != 0;
  i.deliverable = CanTakeInterrupt();
  i.timer_vector = lapic_.lvt(apic::LapicReg::kLvtTimer).Get<apic::Lvt::Vector>();
  if (armed_ != Clock::kNever) i.timer_deadline_ns = armed_;
  i.last_events = ring_.Snapshot(kLastEvents);
  i.counters = counters_;
  i.lapic_counters = lapic_.counters();
  i.counters.kicks = doorbell_.kicks();
  i.counters.smis_dropped = smis_.Load(std::memory_order_relaxed);  // a statistic

  // In wait-for-SIPI KVM's registers are those of the life before.
  if (!entered_ || state_ == RunState::kWaitForSipi || reset_ != Reset::kNone) return i;
  const absl::StatusOr<kvm_regs> regs = handle_.GetRegs();
  const absl::StatusOr<kvm_sregs> sregs = handle_.GetSregs();
  if (!regs.ok() || !sregs.ok() || (state_ == RunState::kOffline && IsResetVector(*regs, *sregs))) {
    return i;
  }
  i.registers_known = true;
  i.rip = regs->rip;
  i.rflags = regs->rflags;
  i.cr0 = sregs->cr0;
  i.cr2 = sregs->cr2;
  i.cr3 = sregs->cr3;
  i.cr4 = sregs->cr4;
  i.cr8 = sregs->cr8;
  i.efer = sregs->efer;
  i.cs_base = sregs->cs.base;
  i.cs_selector = sregs->cs.selector;
  i.gdt_base = sregs->gdt.base;
  i.gdt_limit = sregs->gdt.limit;
  i.idt_base = sregs->idt.base;
  i.idt_limit = sregs->idt.limit;
  i.gpr = {regs->rax, regs->rcx, regs->rdx, regs->rbx, regs->rsp, regs->rbp, regs->rsi, regs->rdi,
           regs->r8,  regs->r9,  regs->r10, regs->r11, regs->r12, regs->r13, regs->r14, regs->r15};
  return i;
}

}  // namespace muster::vcpu
