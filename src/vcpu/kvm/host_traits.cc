#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <linux/kvm.h>
#include <memory>
#include <span>
#include <sys/mman.h>
#include <x86intrin.h>

#include <muster/vcpu/kvm/cpuid.h>
#include <muster/vcpu/kvm/host_traits.h>
#include <muster/vcpu/kvm/ioctl_error.h>
#include <muster/vcpu/kvm/memory_map.h>
#include <muster/vcpu/kvm/probe_in.h>
#include <muster/vcpu/kvm/reset_state.h>
#include <muster/vcpu/kvm/vcpu_handle.h>
#include <muster/vcpu/kvm/vm_handle.h>

namespace muster::vcpu {

namespace {

// wrmsr; hlt
constexpr uint8_t kWriteMsr[] = {0x0f, 0x30, 0xf4};
// mov %rax, %cr8; hlt
constexpr uint8_t kWriteCr8[] = {0x44, 0x0f, 0x22, 0xc0, 0xf4};
// cli; nop; sti; 1: dec %ecx; jnz 1b; hlt
constexpr uint8_t kCountDown[] = {0xfa, 0x90, 0xfb, 0xff, 0xc9, 0x75, 0xfc, 0xf4};

// rdtsc; hlt
constexpr uint8_t kReadTsc[] = {0x0f, 0x31, 0xf4};

// An exact KVM stops at the first DEC, each time. One that looks between batches of instructions
// lets hundreds pass, but a batch may end early, where its thread is preempted: in one of a hundred
// looks within these few DECs. The count ends in HLT on one that never looks.
constexpr uint64_t kExactWithin = 4;
constexpr uint64_t kCountFrom = 10'000;
constexpr int kExactLooks = 16;

// Four pages: the three levels of tables that map the 2 MiB around them to itself, and code.
constexpr uint64_t kPml4 = 0, kPdpt = kPageSize, kPageDirectory = 2 * kPageSize,
                   kCode = 3 * kPageSize, kMemoryBytes = 4 * kPageSize;
constexpr uint64_t kLargePage = uint64_t{1} << 21;

struct UnmapMemory {
  void operator()(uint8_t* memory) const { munmap(memory, kMemoryBytes); }
};
using Memory = std::unique_ptr<uint8_t, UnmapMemory>;

void Store(uint8_t* at, uint64_t value) { std::memcpy(at, &value, sizeof(value)); }

absl::StatusOr<Memory> MapMemory() {
  void* memory = mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                      /*fd=*/-1, /*offset=*/0);
  if (memory == MAP_FAILED) return IoctlError("mmap of the probe's memory", errno);
  auto* bytes = static_cast<uint8_t*>(memory);
  constexpr uint64_t kPresentWritable = 0x3, kLarge = 0x80;
  const auto index = [](int shift) { return (kProbeAddress >> shift & 511) * sizeof(uint64_t); };
  Store(bytes + kPml4 + index(39), (kProbeAddress + kPdpt) | kPresentWritable);
  Store(bytes + kPdpt + index(30), (kProbeAddress + kPageDirectory) | kPresentWritable);
  Store(bytes + kPageDirectory + index(21),
        (kProbeAddress & ~(kLargePage - 1)) | kPresentWritable | kLarge);
  return Memory(bytes);
}

class Probe {
 public:
  Probe(VcpuHandle& vcpu, uint8_t* memory) : vcpu_(vcpu), memory_(memory) {}

  // Runs `code` from its beginning, with `rcx` and all other registers 0, until its first exit.
  absl::Status Run(std::span<const uint8_t> code, uint64_t rcx = 0) {
    absl::Status status = FinishExit();
    if (!status.ok()) return status;
    std::memcpy(memory_ + kCode, code.data(), code.size());
    kvm_regs regs{};
    regs.rip = kProbeAddress + kCode;
    regs.rflags = 2;
    regs.rcx = rcx;
    status = vcpu_.SetRegs(regs);
    if (!status.ok()) return status;
    int error;
    do {
      error = vcpu_.RunOnce();
    } while (error == EINTR);
    if (error != 0) return IoctlError("KVM_RUN", error, vcpu_.id());
    return absl::OkStatus();
  }

  absl::StatusOr<bool> TscDeadlineExits() {
    absl::Status status = Run(kWriteMsr, kIa32TscDeadline);
    if (!status.ok()) return status;
    return Exited(KVM_EXIT_X86_WRMSR);
  }

  absl::StatusOr<bool> SetTprExits() {
    vcpu_.run().cr8 = 0xf;  // KVM takes it over at each entry
    absl::Status status = Run(kWriteCr8);
    vcpu_.run().cr8 = 0;
    if (!status.ok()) return status;
    return Exited(KVM_EXIT_SET_TPR);
  }

  // Moves the guest's TSC back to about 0, a second or so of which passes until it is read.
  absl::StatusOr<bool> RdtscObeysOffset() {
    if (!vcpu_.GetTscOffset().ok()) return false;
    const uint64_t now = __rdtsc();
    absl::Status status = vcpu_.SetTscOffset(-static_cast<int64_t>(now));
    if (status.ok()) status = Run(kReadTsc);
    if (!status.ok()) return status;
    absl::StatusOr<kvm_regs> regs = vcpu_.GetRegs();
    if (!regs.ok()) return regs.status();
    return (regs->rdx << 32 | (regs->rax & UINT32_MAX)) < now / 2;
  }

  absl::StatusOr<bool> ExactWindows() {
    for (int i = 0; i < kExactLooks; ++i) {
      if (const absl::StatusOr<bool> exact = ExactWindow(); !exact.ok() || !*exact) return exact;
    }
    return true;
  }

 private:
  absl::StatusOr<bool> ExactWindow() {
    vcpu_.run().request_interrupt_window = 1;
    absl::Status status = Run(kCountDown, kCountFrom);
    if (!status.ok()) return status;
    absl::StatusOr<bool> window = Exited(KVM_EXIT_IRQ_WINDOW_OPEN);
    if (!window.ok() || !*window) return window;
    absl::StatusOr<kvm_regs> regs = vcpu_.GetRegs();
    if (!regs.ok()) return regs.status();
    return kCountFrom - regs->rcx <= kExactWithin;
  }

  // A WRMSR that has exited still has to move RIP on, which must not happen to the next code's.
  absl::Status FinishExit() {
    vcpu_.run().immediate_exit = 1;
    const int error = vcpu_.RunOnce();
    vcpu_.run().immediate_exit = 0;
    if (error != EINTR) return IoctlError("KVM_RUN with immediate_exit", error, vcpu_.id());
    return absl::OkStatus();
  }

  // Whether the exit is the one asked for; HLT says that the instruction went by without one.
  absl::StatusOr<bool> Exited(uint32_t reason) const {
    const uint32_t seen = vcpu_.run().exit_reason;
    if (seen == reason) return true;
    if (seen == KVM_EXIT_HLT) return false;
    return absl::InternalError(
        fmt::format("probe of this KVM: exit reason {} in place of {}", seen, reason));
  }

  VcpuHandle& vcpu_;
  uint8_t* memory_;
};

absl::Status Prepare(const System& system, VcpuHandle& vcpu) {
  const std::vector<kvm_cpuid_entry2> cpuid =
      BuildCpuid(system.supported_cpuid(), {.tsc_deadline = true});
  absl::Status status = vcpu.SetCpuid(cpuid);
  if (!status.ok()) return status;
  absl::StatusOr<kvm_sregs> before = vcpu.GetSregs();
  if (!before.ok()) return before.status();
  absl::StatusOr<Registers> start = AtStart({.mode = StartState::Mode::kLong64,
                                             .rip = kProbeAddress + kCode,
                                             .cr3 = kProbeAddress + kPml4},
                                            *before, Signature(cpuid));
  if (!start.ok()) return start.status();
  return vcpu.SetSregs(start->sregs);
}

// The probe's memory in a VM, for as long as this lives.
class MemoryInVm {
 public:
  static absl::StatusOr<MemoryInVm> Add(const VmHandle& vm) {
    absl::StatusOr<Memory> memory = MapMemory();
    if (!memory.ok()) return memory.status();
    // The last that there is: MemorySlots counts from the one before it down.
    const uint32_t slot = vm.memory_slots() - 1;
    const absl::Status status =
        vm.SetMemoryRegion(slot, kProbeAddress, {memory->get(), kMemoryBytes}, /*read_only=*/false);
    if (!status.ok()) return status;
    return MemoryInVm(*std::move(memory), vm, slot);
  }
  MemoryInVm(MemoryInVm&& other) noexcept = default;
  MemoryInVm& operator=(MemoryInVm&&) = delete;
  ~MemoryInVm() {
    // Removing a slot that is there does not fail.
    if (memory_ != nullptr) (void)vm_.SetMemoryRegion(slot_, kProbeAddress, {}, false);
  }

  uint8_t* bytes() const { return memory_.get(); }

 private:
  MemoryInVm(Memory memory, const VmHandle& vm, uint32_t slot)
      : memory_(std::move(memory)), vm_(vm), slot_(slot) {}

  Memory memory_;
  const VmHandle& vm_;
  uint32_t slot_;
};

absl::StatusOr<HostTraits> Look(Probe& probe) {
  const absl::StatusOr<bool> tsc_deadline_exits = probe.TscDeadlineExits();
  if (!tsc_deadline_exits.ok()) return tsc_deadline_exits.status();
  const absl::StatusOr<bool> set_tpr_exits = probe.SetTprExits();
  if (!set_tpr_exits.ok()) return set_tpr_exits.status();
  const absl::StatusOr<bool> exact_windows = probe.ExactWindows();
  if (!exact_windows.ok()) return exact_windows.status();
  return HostTraits{.exact_windows = *exact_windows,
                    .set_tpr_exits = *set_tpr_exits,
                    .tsc_deadline_exits = *tsc_deadline_exits};
}

// `offset_too`: moves the vCPU's TSC.
absl::StatusOr<ProbedVm> ProbeVcpu(const System& system, const VmHandle& vm, int id,
                                   bool offset_too) {
  absl::StatusOr<VcpuHandle> vcpu = VcpuHandle::Create(system, vm, id);
  if (!vcpu.ok()) return vcpu.status();
  const absl::StatusOr<MemoryInVm> memory = MemoryInVm::Add(vm);
  if (!memory.ok()) return memory.status();
  if (const absl::Status status = Prepare(system, *vcpu); !status.ok()) return status;
  Probe probe(*vcpu, memory->bytes());
  absl::StatusOr<HostTraits> traits = Look(probe);
  if (!traits.ok()) return traits.status();
  if (offset_too) {
    const absl::StatusOr<bool> obeys = probe.RdtscObeysOffset();
    if (!obeys.ok()) return obeys.status();
    traits->rdtsc_obeys_offset = *obeys;
  }
  return ProbedVm{*traits, *std::move(vcpu)};
}

}  // namespace

absl::StatusOr<HostTraits> ProbeHost(const System& system) {
  const absl::StatusOr<VmHandle> vm = VmHandle::Create(system);
  if (!vm.ok()) return vm.status();
  const absl::StatusOr<ProbedVm> probed = ProbeVcpu(system, *vm, /*id=*/0, /*offset_too=*/true);
  if (!probed.ok()) return probed.status();
  return probed->traits;
}

absl::StatusOr<ProbedVm> ProbeIn(const System& system, const VmHandle& vm, int id) {
  return ProbeVcpu(system, vm, id, /*offset_too=*/false);
}

}  // namespace muster::vcpu
