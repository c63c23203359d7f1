#include "real_mode_vm.h"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include <muster/vcpu/kvm/memory_slots.h>

namespace muster::bench {
namespace {

// The bare loop's; Muster's own, SIGUSR1, has no handler.
constexpr int kBareKick = SIGUSR2;

[[noreturn]] void Die(const std::string& why) {
  fmt::print(stderr, "bench: {}\n", why);
  std::exit(EXIT_FAILURE);
}

}  // namespace

Ram::Ram()
    : bytes_(static_cast<uint8_t*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0))) {
  if (bytes_ == MAP_FAILED) Die("no guest memory");
}

Ram::~Ram() { munmap(bytes_, kSize); }

void Ram::Load(uint64_t gpa, Snippet code) {
  std::memcpy(bytes_ + gpa, code.begin, static_cast<size_t>(code.end - code.begin));
}

void Ram::SetIvt(uint8_t vector, uint64_t gpa) {
  const uint16_t entry[] = {0, static_cast<uint16_t>(gpa >> 4)};  // offset, segment
  std::memcpy(bytes_ + 4 * vector, entry, sizeof(entry));
}

uint64_t MusterVm::NoTimer::NowNs() { return static_cast<uint64_t>(Seconds() * 1e9); }

MusterVm::MusterVm(const vcpu::System& system, int cpus, Ram& ram) {
  vcpu::VmConfig config;
  config.cpus = cpus;
  config.x2apic = true;
  config.kick_stays_blocked = true;  // as the command has it
  auto vm = vcpu::Vm::Create(system, config, clock_);
  if (!vm.ok()) Die(vm.status().ToString());
  vm_ = *std::move(vm);
  absl::Status status = vm_->memory().Add(0, {ram.bytes(), Ram::kSize});
  if (status.ok()) {
    status = vm_->SetStart({.mode = vcpu::StartState::Mode::kReal, .rip = Ram::kBspCode});
  }
  if (!status.ok()) Die(status.ToString());
}

void MusterVm::RunPortExits(int exits) {
  vcpu::Vcpu& vcpu = vm_->vcpu(0);
  while (exits > 0) {
    const vcpu::Exit exit = vcpu.Run();
    if (!std::holds_alternative<vcpu::PortExit>(exit)) Die("Muster: not a port exit");
    --exits;
  }
}

void MusterVm::RunOther() {
  while (!std::holds_alternative<vcpu::StoppedExit>(vm_->vcpu(1).Run())) {
  }
}

BareVmPtr MakeBareVm(int cpus, Ram& ram) {
  struct sigaction nothing {};
  nothing.sa_handler = [](int) {};
  sigaction(kBareKick, &nothing, nullptr);
  return BareVmPtr(
      BareCreate(KvmDevice(), cpus, ram.bytes(), Ram::kSize, Ram::kBspCode, kBareKick));
}

double Seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double TicksPerMicrosecond() {
  static const double ticks = [] {
    const double begin = Seconds();
    const uint64_t first = __rdtsc();
    usleep(50'000);  // beside which the two looks at each end take no time
    const uint64_t last = __rdtsc();
    return static_cast<double>(last - first) / ((Seconds() - begin) * 1e6);
  }();
  return ticks;
}

const char* KvmDevice() {
  const char* path = std::getenv("MUSTER_KVM");
  return path != nullptr ? path : "/dev/kvm";
}

}  // namespace muster::bench
