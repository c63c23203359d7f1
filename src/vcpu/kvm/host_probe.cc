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

constexpr uint32_t kIa32TscDeadline = 0x6e0;

// An exact KVM stops at the first DEC. One that looks between batches of instructions lets
// hundreds pass; the count ends in HLT on one that never looks.
constexpr uint64_t kExactWithin = 4;
constexpr uint64_t kCountFrom = 10'000;

// Four pages: the three levels of tables that map the first 2 MiB to itself, and code.
constexpr uint64_t kPml4 = 0, kPdpt = kPageSize, kPageDirectory = 2 * kPageSize,
                   kCode = 3 * kPageSize, kMemoryBytes = 4 * kPageSize;

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
  Store(bytes + kPml4, kPdpt | kPresentWritable);
  Store(bytes + kPdpt, kPageDirectory | kPresentWritable);
  Store(bytes + kPageDirectory, kPresentWritable | kLarge);
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
    regs.rip = kCode;
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
    vcpu_.run().request_interrupt_window = 1;
    absl::Status status = Run(kCountDown, kCountFrom);
    if (!status.ok()) return status;
    absl::StatusOr<bool> window = Exited(KVM_EXIT_IRQ_WINDOW_OPEN);
    if (!window.ok() || !*window) return window;
    absl::StatusOr<kvm_regs> regs = vcpu_.GetRegs();
    if (!regs.ok()) return regs.status();
    return kCountFrom - regs->rcx <= kExactWithin;
  }

 private:
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
  absl::StatusOr<Registers> start = AtStart(
      {.mode = StartState::Mode::kLong64, .rip = kCode, .cr3 = kPml4}, *before, Signature(cpuid));
  if (!start.ok()) return start.status();
  return vcpu.SetSregs(start->sregs);
}

}  // namespace

absl::StatusOr<HostTraits> ProbeHost(const System& system) {
  // Declared first: it outlives the VM.
  absl::StatusOr<Memory> memory = MapMemory();
  if (!memory.ok()) return memory.status();
  absl::StatusOr<VmHandle> vm = VmHandle::Create(system);
  if (!vm.ok()) return vm.status();
  absl::Status status = vm->SetMemoryRegion(0, 0, {memory->get(), kMemoryBytes},
                                            /*read_only=*/false);
  if (!status.ok()) return status;
  absl::StatusOr<VcpuHandle> vcpu = VcpuHandle::Create(system, *vm, /*id=*/0);
  if (!vcpu.ok()) return vcpu.status();
  status = Prepare(system, *vcpu);
  if (!status.ok()) return status;

  Probe probe(*vcpu, memory->get());
  const absl::StatusOr<bool> tsc_deadline_exits = probe.TscDeadlineExits();
  if (!tsc_deadline_exits.ok()) return tsc_deadline_exits.status();
  const absl::StatusOr<bool> set_tpr_exits = probe.SetTprExits();
  if (!set_tpr_exits.ok()) return set_tpr_exits.status();
  const absl::StatusOr<bool> exact_windows = probe.ExactWindows();
  if (!exact_windows.ok()) return exact_windows.status();
  const absl::StatusOr<bool> rdtsc_obeys_offset = probe.RdtscObeysOffset();
  if (!rdtsc_obeys_offset.ok()) return rdtsc_obeys_offset.status();
  return HostTraits{.exact_windows = *exact_windows,
                    .set_tpr_exits = *set_tpr_exits,
                    .tsc_deadline_exits = *tsc_deadline_exits,
                    .rdtsc_obeys_offset = *rdtsc_obeys_offset};
}

}  // namespace muster::vcpu
