#include <cassert>
#include <cerrno>
#include <fmt/format.h>

#include <muster/vcpu/kvm/ioctl_error.h>
#include <muster/vcpu/run/stay.h>
#include <muster/vcpu/run/vcpu.h>
#include <muster/vcpu/run/vcpu_core.h>
#include <muster/vcpu/run/vm_core.h>

namespace muster::vcpu {

VcpuCore::VcpuCore(VmCore& vm, int cpu, VcpuHandle handle, const apic::LapicConfig& lapic,
                   uint32_t signature, const VmConfig& config)
    : vm_(vm),
      cpu_(cpu),
      signature_(signature),
      handle_(std::move(handle)),
      doorbell_(&handle_.run().immediate_exit, config.kick_signal),
      kick_mask_{.signal = config.kick_signal, .stays_blocked = config.kick_stays_blocked},
      lapic_(lapic),
      state_(cpu == 0 ? RunState::kRunning : RunState::kWaitForSipi),
      reset_(cpu == 0 ? Reset::kPowerUp : Reset::kNone),
      ring_(config.trace_events) {
  run().kvm_valid_regs = KVM_SYNC_X86_EVENTS;
  // So that a report has a RIP; a small cost where KVM does not emulate.
  if (config.observer != nullptr || config.logger != nullptr || config.trace_rip)
    run().kvm_valid_regs |= KVM_SYNC_X86_REGS;
  trail_.state.Store(state_, std::memory_order_relaxed);
}

// A port apart from the other exits: in a switch it would be an indirect jump, and mispredicted.
bool VcpuCore::HandleExit(Exit& exit) {
  if (run().exit_reason != KVM_EXIT_IO) return HandleOtherExit(exit);
  HandlePort(exit);
  return true;
}

void VcpuCore::HandlePort(Exit& exit) {
  kvm_run& r = run();
  ++counters_.port_exits;
  half_done_ = true;
  Trace(EventKind::kExit, r.exit_reason, r.io.port);
  const PortExit port{
      .port = r.io.port,
      .size = r.io.size,
      .count = r.io.count,
      .is_write = r.io.direction == KVM_EXIT_IO_OUT,
      .data = {reinterpret_cast<uint8_t*>(&r) + r.io.data_offset, size_t{r.io.size} * r.io.count}};
  // Over one of its own kind: nothing is destroyed, for which there is another indirect jump.
  if (auto* const before = std::get_if<PortExit>(&exit); before != nullptr) {
    *before = port;
  } else {
    exit = port;
  }
}

// Entry n of the guest and the exit that ends it.
bool VcpuCore::EnterOnce(Exit& exit) {
  if (reset_ != Reset::kNone) {
    if (const absl::Status status = ApplyReset(); !status.ok()) return Fail(exit, status);
  }
  if (apic_base_stale_) {
    if (half_done_) return FinishExit(exit);
    if (const absl::Status status = MirrorApicBase(); !status.ok()) return Fail(exit, status);
  }
  if (const Entry entry = PrepareEntry(exit); entry != Entry::kReady) {
    return entry == Entry::kFinishFirst ? FinishExit(exit) : entry == Entry::kFailed;
  }

  const bool mail_waits = MailWaits();
  if (mail_waits) {
    ++counters_.mail_deferrals;
    Poll();  // mail that came now has nothing else to end this entry
  }
  // Whatever was requested up to here, and not seen, makes this fail; what comes later kicks.
  if (!doorbell_.EnterGuest(mail_waits)) return false;
  const int error = RunKvm();
  const bool kicked = doorbell_.LeaveGuest();
  if (kicked || error == EINTR) SwallowKick(kick_mask_.signal);
  // A kick that was on its way already says nothing of how long mail has waited.
  if (error == 0 || (mail_waits && (doorbell_.requests() & ~kRequestsOfMail) != 0))
    mail_rounds_ = 0;
  if (error == 0) return HandleExit(exit);
  if (error != EINTR && error != EAGAIN) return Fail(exit, IoctlError("KVM_RUN", error, cpu_));
  ++counters_.interrupted;
  if (doorbell_.requests() == 0) ++counters_.stray_kicks;
  return false;
}

void VcpuCore::RunLocked(Exit& exit) {
  if (state_ == RunState::kOffline && vm_.HasLeft(cpu_)) {
    exit = StoppedExit{.removed = true};
    return;
  }
  if (state_ == RunState::kOffline) {
    exit = HostErrorExit{absl::FailedPreconditionError(fmt::format("vCPU {} is offline", cpu_))};
    return;
  }
  // Asked for while no thread was here.
  if (vm_.rendezvous().Pending(cpu_) && Meet(exit)) return;
  for (;;) {
    const uint32_t requests = doorbell_.requests();
    if ((requests & ~(MailWaits() ? kRequestsOfMail : 0)) != 0) {
      if (ServeRequests(requests, exit)) return;
      continue;
    }
    if (left_half_done_ || (half_done_ && (reset_ != Reset::kNone || held_))) {
      if (FinishExit(exit)) return;
      continue;
    }
    if (state_ == RunState::kHalted) {
      LookAtWire();
      if (CanTakeInterrupt()) {
        // The wire alone has completed the HLT: it is acknowledged, even if it falls before.
        if (!CanTakeInterrupt(extint_mail_)) extint_mail_ = true;
        Move(RunEvent::kWake);
      }
    }
    if (state_ != RunState::kRunning || held_) {
      Sleep();
      if (vm_.rendezvous().Pending(cpu_) && Meet(exit)) return;
      continue;
    }
    if (EnterOnce(exit)) return;
  }
}

template <typename Work>
absl::Status VcpuCore::WhileLocked(Work&& work) {
  absl::Status status;
  {
    const RunSession session(handle_, doorbell_, kick_mask_);
    if (!session.claimed()) return session.status();
    status = session.status();
    if (status.ok()) status = work();
  }
  // Vm::Stop rings, then takes those out of the rendezvous whose thread is outside. One that it saw
  // inside, on its way out, takes itself out: its caller may never come again. Nor may it come to a
  // call that it was asked for too late.
  constexpr uint32_t kAfterwards = kRequestStop | kRequestLeave | kRequestMeet;
  if (const uint32_t told = doorbell_.requests() & kAfterwards; told != 0) {
    if ((told & kRequestMeet) != 0) vm_.Freed(cpu_);
    if ((told & kRequestStop) != 0) {
      vm_.Left(cpu_);
      vm_.FinishStop();
    }
    if ((told & kRequestLeave) != 0) vm_.FinishRemoval(cpu_);
  }
  return status;
}

bool VcpuCore::StandsStill() const {
  // The hint is set as long as a vCPU stands whose owner is outside.
  return vm_.rendezvous().Pending(cpu_) && vm_.rendezvous().Holds(cpu_);
}

bool VcpuCore::StandsOutside() const {
  return doorbell_.execution() == Execution::kFree && StandsStill();
}

template <typename Work>
absl::Status VcpuCore::WhenItMayGoOn(const char* name, Work&& work) {
  return WhileLocked([&] {
    if (StandsStill()) {
      if (const Stay* stay = Stay::Of(vm_); stay != nullptr && stay->cpu() != cpu_) {
        return absl::FailedPreconditionError(
            fmt::format("vCPU {} stands still, and may have to until this callback of vCPU {} ends",
                        cpu_, stay->cpu()));
      }
      const auto served = vm_.rendezvous().Serve(cpu_, name);
      if (!served.ok()) return served.status();
    }
    return work();
  });
}

void VcpuCore::RunOnceInline(Exit& exit) {
  const absl::Status status = WhileLocked([&]() __attribute__((always_inline)) {
    const Stay stay(vm_, cpu_, Stay::Where::kLoop);  // as long as it has the run lock
    RunLocked(exit);
    return absl::OkStatus();
  });
  if (!status.ok()) exit = HostErrorExit{status};
}

void VcpuCore::RunOnce(Exit& exit) { RunOnceInline(exit); }

Exit VcpuCore::Run() {
  Exit exit = PortExit{};  // of size 0: HandlePort writes over it, and every other way out sets it
  // Relaxed: whoever gets past this meets the run lock. It tells misuse, which is no race to win.
  if (served_.Load(std::memory_order_relaxed)) {
    exit = HostErrorExit{absl::FailedPreconditionError(
        fmt::format("vCPU {}: Run called while another Run is inside a callback for it", cpu_))};
  } else {
    RunOnceInline(exit);
    assert(!std::holds_alternative<PortExit>(exit) || std::get_if<PortExit>(&exit)->size != 0);
  }
  return exit;
}

Exit Vcpu::Run() {
  if (VcpuCore* core = vm_->Find(cpu_)) return core->Run();
  return WithoutCore();
}

absl::Status VcpuCore::Send(const apic::Message& message) {
  if (acknowledging_) return vm_.fabric().SendMessage(cpu_, message);
  if (StandsOutside()) return vm_.fabric().SendMessage(kOutside, message);
  return WhileLocked([&] { return vm_.fabric().SendMessage(Source(), message); });
}

absl::Status VcpuCore::SetLine(unsigned pin, bool asserted) {
  if (acknowledging_) return vm_.SetLine(cpu_, pin, asserted);
  if (StandsOutside()) return vm_.SetLine(kOutside, pin, asserted);
  return WhileLocked([&] { return vm_.SetLine(Source(), pin, asserted); });
}

absl::Status VcpuCore::StartAgain(const StartState& start) {
  if (!bootstrap()) {
    return absl::InvalidArgumentError(
        fmt::format("vCPU {} is not the bootstrap processor: it begins by SIPI alone", cpu_));
  }
  return WhenItMayGoOn("start again", [&] {
    if (absl::Status status = BeginAt(start); !status.ok()) return status;
    vm_.fabric().ioapic().Reset();  // before what it has sent is forgotten
    ForgetPending();
    AsFirmwareLeaves(vm_.x2apic());
    ArmTimer();
    return absl::OkStatus();
  });
}

absl::Status VcpuCore::Hold() {
  return WhenItMayGoOn("hold", [&] {
    doorbell_.Take(kRequestGoOn);  // meant for a hold that INIT has ended
    held_ = true;
    return absl::OkStatus();
  });
}

bool VcpuCore::FinishExit(Exit& exit) {
  doorbell_.ForceExit();
  const int error = RunKvm();
  doorbell_.ClearForcedExit();
  // 0: the second half of a read-modify-write, or of an access across pages. It has its own effect,
  // unless it belongs to a life that INIT has ended: this one has begun, and knows nothing of it.
  if (error == 0 && reset_ != Reset::kNone) {
    ++counters_.other_exits;
    half_done_ = true;
    return false;
  }
  if (error == 0) return HandleExit(exit);
  ++counters_.interrupted;
  if (error != EINTR) return Fail(exit, IoctlError("KVM_RUN", error, cpu_));
  return false;
}

bool VcpuCore::ServeRequests(uint32_t requests, Exit& exit) {
  if (requests & kRequestStop) {
    // Never taken: a vCPU that is stopped stays so.
    exit = StoppedExit{};
    return true;
  }
  if (requests & kRequestLeave) {
    exit = StoppedExit{.removed = true};  // FinishRemoval takes it
    return true;
  }
  if (doorbell_.Take(kRequestMeet) != 0) {
    if (Meet(exit)) return true;
  }
  doorbell_.Take(kRequestReset);
  if (doorbell_.Take(kRequestGoOn) != 0) held_ = false;
  if ((requests & kRequestsOfMail) != 0 && state_ == RunState::kRunning) ++mail_rounds_;
  DrainMail();
  if (doorbell_.Take(kRequestNmi) != 0) nmi_pending_ = true;
  if (doorbell_.Take(kRequestWire) != 0) {
    wire_ = true;
    const absl::Status status = Perform(lapic_.RaiseLvt(apic::LapicReg::kLvtLint0));
    if (!status.ok()) return Fail(exit, status);
  }
  if (doorbell_.Take(kRequestTimer) != 0) {
    ++counters_.timer_expiries;
    NoteArmed(Clock::kNever);
    const apic::Now now = Now();
    // Not at every expiry: a fast timer of the guest's would keep it in single steps.
    if (poll_at_ <= now.ns) {
      stepper_.Refill();
      poll_at_ = Clock::kNever;
    }
    if (const auto due = lapic_.NextDeadline();
        due && due->value <= (due->clock == apic::Deadline::Clock::kNs ? now.ns : now.tsc)) {
      Trace(EventKind::kTimer, lapic_.lvt(apic::LapicReg::kLvtTimer).Get<apic::Lvt::Vector>());
    }
    const absl::Status status = Perform(lapic_.TimerExpired(now));
    if (!status.ok()) return Fail(exit, status);
    ArmTimer();  // for what is not due yet: the Clock has forgotten it
  }
  return false;
}

bool VcpuCore::Meet(Exit& exit) {
  const absl::StatusOr<rendezvous::Served> served = vm_.rendezvous().Serve(cpu_);
  if (!served.ok()) return Fail(exit, served.status());
  return false;
}

void VcpuCore::Post(uint8_t vector, apic::TriggerMode trigger) {
  mailbox_.Post(vector, trigger);
  doorbell_.Ring(kRequestMail);
}

void VcpuCore::PostSmi() {
  // Relaxed: a statistic. There is no SMM here.
  smis_.FetchAdd(1, std::memory_order_relaxed);
}

void VcpuCore::AsFirmwareLeaves(bool x2apic) {
  lapic_.AsFirmwareLeaves(x2apic);
  apic_base_stale_ = true;
  PublishIdentity();
}

bool VcpuCore::Move(RunEvent event, uint64_t ns) {
  const RunState before = state_;
  if (!Transition(state_, event)) return false;
  if (before != state_) {
    trail_.state.Store(state_, std::memory_order_relaxed);
    Trace(EventKind::kState, static_cast<uint64_t>(before), static_cast<uint64_t>(state_), ns);
  }
  return true;
}

void VcpuCore::Record(EventKind kind, uint64_t a, uint64_t b, uint64_t ns) {
  const bool known = (run().kvm_valid_regs & KVM_SYNC_X86_REGS) != 0 && entered_;
  if (ns == 0) ns = vm_.clock().NowNs();
  ring_.Record(ns, kind, cpu_, a, b, known ? run().s.regs.regs.rip : 0);
}

bool VcpuCore::Fail(Exit& exit, absl::Status status) {
  Move(RunEvent::kOffline);
  vm_.Left(cpu_);
  vm_.Log(Logger::Severity::kWarning, status.ToString());
  exit = HostErrorExit{std::move(status)};
  return true;
}

bool VcpuCore::Fault(Exit& exit, GuestFaultExit::Kind kind, uint64_t detail,
                     std::span<const uint8_t> bytes) {
  Move(RunEvent::kOffline);
  vm_.Left(cpu_);
  const absl::StatusOr<kvm_regs> regs = handle_.GetRegs();
  exit = GuestFaultExit{
      .kind = kind, .detail = detail, .rip = regs.ok() ? regs->rip : 0, .bytes = bytes};
  return true;
}

}  // namespace muster::vcpu
