#pragma once

#include <cstdint>

namespace muster::vcpu {

// What one vCPU did. Written by the holder of its run lock; a copy is consistent when taken from
// there (Vcpu::Inspect, Vm::InspectAll) or once the vCPU has stopped.
struct Counters {
  // Returns of KVM_RUN, and below by reason: entries is their sum.
  uint64_t entries = 0;
  uint64_t port_exits = 0;
  uint64_t mmio_exits = 0;  // all of them, APIC accesses included
  uint64_t msr_exits = 0;   // all of them, APIC accesses included
  uint64_t hlt_exits = 0;
  uint64_t window_exits = 0;
  uint64_t tpr_exits = 0;
  uint64_t debug_exits = 0;  // single steps to a narrow interrupt window; the guest's own #DBs too
  uint64_t interrupted = 0;  // EINTR: a kick, or on purpose: a half-done exit finished, a reset
  uint64_t other_exits = 0;

  uint64_t apic_accesses = 0;
  uint64_t ipis_sent = 0;       // ICR and SELF IPI writes that sent a message
  uint64_t mail_accepted = 0;   // vectors drained from the mailbox into the IRR
  uint64_t mail_merged = 0;     // drained, but the IRR bit was set already
  uint64_t mail_deferrals = 0;  // entries in which mail waited: VcpuCore::MailWaits
  uint64_t mail_discarded = 0;  // drained while the APIC accepted nothing
  uint64_t injected = 0;        // vectors taken from the local APIC
  uint64_t nmis_injected = 0;
  uint64_t extints_injected = 0;   // vectors that the 8259 gave, spurious ones included
  uint64_t extints_discarded = 0;  // ExtINT messages while the APIC accepted nothing, or no 8259
  uint64_t timer_expiries = 0;
  uint64_t inits = 0;
  uint64_t startups = 0;
  uint64_t startups_dropped = 0;  // SIPI outside wait-for-SIPI
  uint64_t smis_dropped = 0;
  uint64_t meetings = 0;     // rendezvous functions run for this vCPU
  uint64_t parks = 0;        // sleeps in HLT or wait-for-SIPI
  uint64_t kicks = 0;        // signals sent to this vCPU's thread
  uint64_t stray_kicks = 0;  // EINTRs that found nothing to do
};

}  // namespace muster::vcpu
