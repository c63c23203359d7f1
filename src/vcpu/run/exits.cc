// What a return of KVM_RUN means, but for the port accesses of vcpu_core.cc. False: handled here,
// the loop goes on. True: there is an Exit for the caller of Run.

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include <muster/apic/ioapic_regs.h>
#include <muster/apic/lapic_regs.h>
#include <muster/vcpu/run/vcpu_core.h>
#include <muster/vcpu/run/vm_core.h>

namespace muster::vcpu {
namespace {

constexpr uint8_t kDebugVector = 1;  // #DB

bool IsApicMsr(uint32_t index) {
  return (index >= apic::kMsrX2ApicFirst && index <= apic::kMsrX2ApicLast) ||
         index == apic::kMsrApicBase || index == apic::kMsrTscDeadline;
}

}  // namespace

bool VcpuCore::HandleOtherExit(Exit& exit) {
  kvm_run& r = run();
  switch (r.exit_reason) {
    case KVM_EXIT_MMIO:
      ++counters_.mmio_exits;
      half_done_ = true;
      Trace(EventKind::kExit, r.exit_reason, r.mmio.phys_addr);
      return HandleMmio(exit);
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
      ++counters_.msr_exits;
      half_done_ = true;
      Trace(EventKind::kExit, r.exit_reason, r.msr.index);
      return HandleMsr(exit);
    case KVM_EXIT_HLT:
      ++counters_.hlt_exits;
      Trace(EventKind::kExit, r.exit_reason);
      // An NMI that KVM still holds completes the HLT; within an NMI handler it does not.
      if (r.s.regs.events.nmi.pending == 0 || r.s.regs.events.nmi.masked != 0) {
        Move(RunEvent::kHlt);
      }
      return false;
    case KVM_EXIT_IRQ_WINDOW_OPEN:
      ++counters_.window_exits;
      return false;
    case KVM_EXIT_SET_TPR:
      ++counters_.tpr_exits;
      return false;
    case KVM_EXIT_DEBUG:
      ++counters_.debug_exits;
      return HandleDebug(exit);
    case KVM_EXIT_INTR:
      ++counters_.interrupted;
      return false;
    case KVM_EXIT_SHUTDOWN:
      ++counters_.other_exits;
      return Fault(exit, GuestFaultExit::Kind::kTripleFault, 0);
    case KVM_EXIT_FAIL_ENTRY:
      ++counters_.other_exits;
      return Fault(exit, GuestFaultExit::Kind::kEntryFailure,
                   r.fail_entry.hardware_entry_failure_reason);
    case KVM_EXIT_INTERNAL_ERROR:
      ++counters_.other_exits;
      return HandleInternalError(exit);
    default:
      ++counters_.other_exits;
      return Fault(exit, GuestFaultExit::Kind::kUnexpectedExit, r.exit_reason);
  }
}

bool VcpuCore::HandleDebug(Exit& exit) {
  const absl::StatusOr<bool> is_guests = stepper_.Stepped(handle_, vm_.memory());
  if (!is_guests.ok()) return Fail(exit, is_guests.status());
  if (*is_guests) {
    auto& exception = run().s.regs.events.exception;
    exception.injected = 1;
    exception.nr = kDebugVector;
    exception.has_error_code = 0;
    run().kvm_dirty_regs |= KVM_SYNC_X86_EVENTS;
  }
  return false;
}

bool VcpuCore::HandleMmio(Exit& exit) {
  kvm_run& r = run();
  const std::span<uint8_t> data(r.mmio.data, std::min<size_t>(r.mmio.len, sizeof(r.mmio.data)));
  const std::optional<uint64_t> page = lapic_.MmioPage();
  if (!page || r.mmio.phys_addr < *page || r.mmio.phys_addr - *page >= apic::kLapicPageSize) {
    return HandleOtherMmio(data, exit);
  }
  ++counters_.apic_accesses;
  DrainMail();
  const auto offset = static_cast<uint32_t>(r.mmio.phys_addr - *page);
  if (!r.mmio.is_write) {
    lapic_.MmioRead(offset, data, Now());
    return false;
  }
  uint32_t value = 0;
  memcpy(&value, data.data(), std::min(data.size(), sizeof(value)));
  TraceAccess(offset >> 4, value);
  const absl::Status status = Perform(lapic_.MmioWrite(offset, data, Now()));
  if (!status.ok()) return Fail(exit, status);
  return false;
}

bool VcpuCore::HandleOtherMmio(std::span<uint8_t> data, Exit& exit) {
  const auto& mmio = run().mmio;
  if (mmio.phys_addr / apic::kIoApicPageSize != apic::kDefaultIoApicBase / apic::kIoApicPageSize) {
    exit = MmioExit{.address = mmio.phys_addr, .is_write = mmio.is_write != 0, .data = data};
    return true;
  }
  const auto offset = static_cast<uint32_t>(mmio.phys_addr - apic::kDefaultIoApicBase);
  if (!mmio.is_write) {
    vm_.fabric().ioapic().Read(offset, data);
    return false;
  }
  const absl::Status status = vm_.fabric().ioapic().Write(cpu_, offset, data);
  if (!status.ok()) return Fail(exit, status);
  return false;
}

bool VcpuCore::HandleMsr(Exit& exit) {
  kvm_run& r = run();
  const bool is_write = r.exit_reason == KVM_EXIT_X86_WRMSR;
  r.msr.error = 1;
  if (is_write && (r.msr.index == kIa32Tsc || r.msr.index == kIa32TscAdjust)) {
    r.msr.error = 0;
    if (const absl::Status status = MoveTsc(r.msr.index, r.msr.data); !status.ok())
      return Fail(exit, status);
    return false;
  }
  if (!IsApicMsr(r.msr.index)) {
    // The padding-free layout of kvm_run.msr aligns data to 8 bytes: the pointer is good.
    exit = MsrExit{.index = r.msr.index,
                   .is_write = is_write,
                   .value = reinterpret_cast<uint64_t*>(&r.msr.data),
                   .fault = &r.msr.error};
    return true;
  }
  ++counters_.apic_accesses;
  DrainMail();
  if (!is_write) {
    const std::optional<uint64_t> value = lapic_.MsrRead(r.msr.index, Now());
    if (value) {
      r.msr.data = *value;
      r.msr.error = 0;
    }
    return false;
  }
  if (r.msr.index == apic::kMsrTscDeadline && tsc_khz_ != 0) {
    // KVM may have moved the counter of an unstable host.
    if (const absl::Status status = ReadTsc(); !status.ok()) return Fail(exit, status);
  }
  const std::optional<apic::Effects> effects = lapic_.MsrWrite(r.msr.index, r.msr.data, Now());
  if (!effects) return false;
  r.msr.error = 0;
  if (const absl::Status status = Perform(*effects); !status.ok()) return Fail(exit, status);
  // Not only where the page changes: from x2APIC mode to disabled there is none before and after.
  if (r.msr.index == apic::kMsrApicBase) apic_base_stale_ = true;
  if (effects->page_changed) {
    if (const auto page = lapic_.MmioPage(); page && vm_.memory().Contains(*page)) {
      return Fault(exit, GuestFaultExit::Kind::kApicOverRam, *page);
    }
  }
  return false;
}

bool VcpuCore::HandleInternalError(Exit& exit) {
  kvm_run& r = run();
  if (r.internal.suberror != KVM_INTERNAL_ERROR_EMULATION) {
    return Fault(exit, GuestFaultExit::Kind::kUnexpectedExit,
                 uint64_t{r.exit_reason} | uint64_t{r.internal.suberror} << 32);
  }
  std::span<const uint8_t> bytes;
  if (r.emulation_failure.ndata >= 1 &&
      (r.emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) != 0) {
    bytes = {
        r.emulation_failure.insn_bytes,
        std::min<size_t>(r.emulation_failure.insn_size, sizeof(r.emulation_failure.insn_bytes))};
  }
  return Fault(exit, GuestFaultExit::Kind::kEmulationFailure, r.internal.suberror, bytes);
}

}  // namespace muster::vcpu
