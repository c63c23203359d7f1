#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include <muster/apic/lapic.h>
#include <muster/vcpu/run/counters.h>
#include <muster/vcpu/run/run_state.h>
#include <muster/vcpu/trace/event_ring.h>

namespace muster::vcpu {

// One vCPU, looked at while it stands still: what a report shows.
struct Inspection {
  int cpu = -1;
  uint32_t apic_id = 0;
  RunState state = RunState::kWaitForSipi;
  bool held = false;             // by Vcpu::Hold
  bool registers_known = false;  // false: it never ran, or KVM has lost them
  uint64_t rip = 0, rflags = 0, cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, cr8 = 0, efer = 0;
  uint64_t cs_base = 0;
  uint16_t cs_selector = 0;
  uint64_t gdt_base = 0, idt_base = 0;
  uint16_t gdt_limit = 0, idt_limit = 0;
  std::array<uint64_t, 16> gpr{};  // RAX RCX RDX RBX RSP RBP RSI RDI R8..R15
  bool apic_enabled = false;       // IA32_APIC_BASE.EN
  bool apic_software_enabled = false;
  bool x2apic = false;
  uint8_t tpr = 0, ppr = 0;
  std::vector<uint8_t> irr, isr;  // vectors, ascending
  std::vector<uint8_t> mailbox;   // posted, not yet drained
  bool nmi_pending = false;
  bool extint_accepted = false;               // the 8259's wire reaches it
  bool extint_pending = false;                // and is high, or an ExtINT message waits
  bool deliverable = false;                   // the guest could take an interrupt or NMI now
  std::optional<uint64_t> timer_deadline_ns;  // by Clock
  uint8_t timer_vector = 0;                   // of LVT timer
  Counters counters;
  apic::LapicCounters lapic_counters;
  std::vector<Event> last_events;  // oldest first; at most kLastEvents

  // Where the next instruction is, before paging. This and the two below mean something where the
  // registers are known.
  uint64_t linear_rip() const { return cs_base + rip; }
  // RFLAGS.IF.
  bool interrupts_on() const { return (rflags >> 9 & 1) != 0; }
  // IA32_EFER.LMA.
  bool long_mode() const { return (efer >> 10 & 1) != 0; }
};

// How many events an Inspection has at most.
inline constexpr size_t kLastEvents = 64;

}  // namespace muster::vcpu
