// vCPUs that come and go. KVM cannot take one out of a VM: its part of a vCPU that was removed
// stays with the place, for the next that is added there.

#include <fmt/format.h>

#include <muster/vcpu/kvm/cpuid.h>
#include <muster/vcpu/run/loan.h>
#include <muster/vcpu/run/vm_core.h>

namespace muster::vcpu {

using rendezvous::CpuSet;

namespace {

// What INIT leaves as it is and a processor that is plugged in does not have: KVM writes its clock
// to memory for as long as the guest has told it where, and that is no longer the clock's. Where
// KVM has no such MSR there is nothing to clear.
absl::Status ClearMsrs(VcpuHandle& handle) {
  constexpr uint32_t kTscAdjust = 0x3b, kKvmSystemTime = 0x12, kKvmSystemTimeNew = 0x4b564d01;
  for (const uint32_t msr : {kTscAdjust, kKvmSystemTime, kKvmSystemTimeNew}) {
    const absl::StatusOr<uint64_t> value = handle.GetMsr(msr);
    if (!value.ok() || *value == 0) continue;
    if (absl::Status status = handle.SetMsr(msr, 0); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status StillInside(int cpu) {
  return absl::FailedPreconditionError(fmt::format(
      "vCPU {} cannot be added: a thread is still inside Run of its earlier life", cpu));
}

}  // namespace

absl::Status VmCore::SetUpVcpu(VcpuHandle& handle, uint32_t& signature) {
  const int cpu = handle.id();
  // With KVM_CAP_SPLIT_IRQCHIP the VM itself does not tell.
  if (config_.vm_fd >= 0 && handle.HasKernelApic()) {
    return absl::FailedPreconditionError(
        fmt::format("the VM of descriptor {} has local APICs of KVM's: make it without "
                    "KVM_CAP_SPLIT_IRQCHIP",
                    config_.vm_fd));
  }
  const auto cpuid = BuildCpuid(system_.supported_cpuid(), {.apic_id = static_cast<uint32_t>(cpu),
                                                            .tsc_deadline = OffersTscDeadline()});
  signature = Signature(cpuid);
  if (const absl::Status status = handle.SetCpuid(cpuid); !status.ok()) return status;
  if (cpu == 0) {
    if (const auto offset = handle.GetTscOffset(); offset.ok()) tsc_offset_ = *offset;
  } else if (cpu >= config_.cpus && tsc_offset_) {
    // KVM begins the counter of one that comes late at 0.
    return handle.SetTscOffset(*tsc_offset_);
  }
  return absl::OkStatus();
}

CpuSet VmCore::Present() const {
  CpuSet present;
  for (int cpu = 0; cpu < cpus(); ++cpu) {
    if (IsPresent(cpu)) present.Add(cpu);
  }
  return present;
}

absl::Status VmCore::AddVcpus() {
  for (int cpu = 0; cpu < config_.cpus; ++cpu) {
    if (const absl::Status status = AddVcpu(cpu); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status VmCore::AddVcpu(int cpu) {
  if (cpu < 0 || cpu >= cpus()) {
    return absl::InvalidArgumentError(fmt::format(
        "vCPU {} cannot be added: VmConfig::max_cpus has made room for 0 to {}", cpu, cpus() - 1));
  }
  if (sync::ThisThread().functions_running > 0) {
    return absl::FailedPreconditionError(
        fmt::format("vCPU {} cannot be added inside a function of a rendezvous", cpu));
  }
  // What may call the user's logger or clock, before the mutex. The thread of its earlier life may
  // have let go of it and not have looked for the request yet.
  (void)OffersTscDeadline();
  if (HasLeft(cpu)) FinishRemoval(cpu);
  return AddToPlace(cpu, NowIfRecorded());
}

absl::Status VmCore::AddToPlace(int cpu, uint64_t now) {
  sync::MutexLock lock(adding_mutex_);
  if (stopped_) {
    return absl::FailedPreconditionError(
        fmt::format("vCPU {} cannot be added: the Vm has been stopped", cpu));
  }
  if (IsPresent(cpu)) {
    return absl::AlreadyExistsError(fmt::format("vCPU {} cannot be added: it is there", cpu));
  }
  const bool is_new = cores_[static_cast<size_t>(cpu)] == nullptr;
  if (const absl::Status status = is_new ? MakeCore(cpu) : BringBack(cpu, now); !status.ok()) {
    return status;
  }
  if (const absl::Status status = rendezvous_.Join(cpu); !status.ok()) return status;
  WokeUp();
  places_[cpu].Store(Place::kTaken, std::memory_order_release);  // the vCPU is whole: see IsPresent
  return absl::OkStatus();
}

absl::Status VmCore::MakeCore(int cpu) {
  Fd& unfinished = unfinished_[cpu];
  absl::StatusOr<VcpuHandle> handle = VcpuHandle::Create(system_, handle_, cpu, unfinished);
  if (!handle.ok()) return handle.status();
  uint32_t signature = 0;
  if (absl::Status status = SetUpVcpu(*handle, signature); !status.ok()) return status;
  const apic::LapicConfig lapic{
      .id = static_cast<uint32_t>(cpu),
      .bootstrap = cpu == 0,
      .x2apic = true,
      .tsc_deadline = OffersTscDeadline(),
      .physical_address_bits = PhysicalAddressBits(system_.supported_cpuid())};
  auto core = std::make_unique<VcpuCore>(*this, cpu, *std::move(handle), lapic, signature, config_);
  if (OffersTscDeadline()) {
    if (absl::Status status = core->ReadTsc(); !status.ok()) return status;
  }
  // In its place before its identity is published: from there on messages find it.
  VcpuCore& placed = *(cores_[static_cast<size_t>(cpu)] = std::move(core));
  placed.AsFirmwareLeaves(x2apic());
  unfinished = Fd();
  return absl::OkStatus();
}

absl::Status VmCore::BringBack(int cpu, uint64_t now) {
  const Loan loan(core(cpu));
  // Its thread is in there, or in a callback, from which it would come back into the new life; or
  // it has been added and removed again since AddVcpu looked.
  if (!loan.took_free() || core(cpu).served() ||
      (core(cpu).doorbell().requests() & kRequestLeave) != 0) {
    return StillInside(cpu);
  }
  return core(cpu).ComeBack(tsc_offset_, pauses_, OffersTscDeadline(), now);
}

absl::Status VmCore::NotThere(int cpu) {
  if (cpu < 0) {
    return absl::NotFoundError("no such vCPU: Vm::vcpu was called with a number past its places");
  }
  return absl::NotFoundError(
      fmt::format("vCPU {} is not there: it was not added, or has been removed", cpu));
}

absl::Status VmCore::RemoveVcpu(int cpu) {
  if (cpu == 0) {
    return absl::InvalidArgumentError(
        "vCPU 0 cannot be removed: it is the bootstrap processor, which a guest is never without");
  }
  if (sync::ThisThread().functions_running > 0) {
    return absl::FailedPreconditionError(
        fmt::format("vCPU {} cannot be removed inside a function of a rendezvous", cpu));
  }
  {
    // Whoever finds the place left, to add another there, finds the request too.
    sync::MutexLock lock(adding_mutex_);
    // Of two who remove it one succeeds.
    if (!IsPresent(cpu)) {
      return absl::NotFoundError(fmt::format("vCPU {} cannot be removed: it is not there", cpu));
    }
    places_[cpu].Store(Place::kLeft, std::memory_order_release);
    core(cpu).doorbell().Ring(kRequestLeave);
  }
  FinishRemoval(cpu);
  return absl::OkStatus();
}

// Called by who removes, after ringing, by the owner after its Run has released the vCPU, and by
// who adds it again. Either one of the others finds the vCPU free, or its look at the run lock came
// before that release, and then the owner finds the request: all of it is seq_cst. Under the run
// lock one of them takes it.
void VmCore::FinishRemoval(int cpu) {
  const Ringing ringing(*this);  // what its pins have sent may go to others
  bool gone = false;
  {
    const Loan loan(core(cpu));
    gone = loan.took_free() && EndStay(cpu);
  }
  if (gone) FellAsleep();
}

bool VmCore::EndStay(int cpu) {
  if (core(cpu).doorbell().Take(kRequestLeave) == 0) return false;
  core(cpu).GoAway();
  Left(cpu);
  return true;
}

void VcpuCore::GoAway() {
  Move(RunEvent::kOffline);
  vm_.fabric().table().Publish(cpu_, apic::Identity{.mode = apic::ApicMode::kDisabled});
  // After that, and before the mail goes: others may have what is in it, or take it.
  vm_.fabric().ioapic().Removed(cpu_);
  ForgetPending();
  reset_ = Reset::kNone;
  poll_at_ = Clock::kNever;
  if (armed_ != Clock::kNever) {
    vm_.clock().Arm(cpu_, Clock::kNever);
    NoteArmed(Clock::kNever);
  }
}

absl::Status VcpuCore::ComeBack(std::optional<int64_t> tsc_offset, uint64_t pauses, bool reads_tsc,
                                uint64_t ns) {
  absl::Status status;
  // Pauses have moved the others' since.
  if (tsc_offset) status = handle_.SetTscOffset(*tsc_offset);
  if (status.ok()) pauses_ = pauses;
  if (status.ok() && reads_tsc) status = ReadTsc();
  if (status.ok()) status = ClearMsrs(handle_);
  if (!status.ok()) return status;
  doorbell_.Take(~uint32_t{0});
  ForgetPending(ns);  // sent by who had looked into the routing table before it went
  if (!Move(RunEvent::kAdded, ns)) {
    return absl::InternalError(
        fmt::format("vCPU {} cannot be added: it is {}", cpu_, ToString(state_)));
  }
  reset_ = Reset::kInit;
  left_half_done_ = left_half_done_ || half_done_;
  half_done_ = false;
  mail_rounds_ = 0;
  kick_mask_.seen = 0;  // the number of that life's thread may be another's by now
  lapic_.PowerOn();
  AsFirmwareLeaves(vm_.x2apic());  // last: from here on messages find it
  return absl::OkStatus();
}

}  // namespace muster::vcpu
