// Benchmarks of whole processes.
#include <cstdlib>

#include <muster/vcpu/kvm/host_traits.h>
#include <muster/vcpu/kvm/system.h>

#include "child.h"
#include "measure.h"
#include "real_mode_vm.h"

namespace muster::bench {
namespace {

constexpr const char* kQemu = "qemu-system-x86_64";

// QEMU with nothing that the guests do not need.
std::vector<std::string> Qemu(const std::string& image, int cpus) {
  return {kQemu,
          "-M",
          "microvm",
          "-accel",
          "kvm",
          "-cpu",
          "max",
          "-m",
          "256M",
          "-smp",
          std::to_string(cpus),
          "-nodefaults",
          "-no-user-config",
          "-display",
          "none",
          "-serial",
          "stdio",
          "-no-reboot",
          "-kernel",
          image};
}

std::vector<std::string> Muster(const std::string& muster, const std::string& image, int cpus) {
  return {muster, "run", image, "--cpus", std::to_string(cpus)};
}

bool RdtscObeysOffset() {
  const absl::StatusOr<vcpu::System> system = vcpu::System::Open();
  if (!system.ok()) return false;
  const absl::StatusOr<vcpu::HostTraits> traits = vcpu::ProbeHost(*system);
  return traits.ok() && traits->rdtsc_obeys_offset;
}

}  // namespace

Result MeasureIpiAgainstQemu(const std::string& muster, const std::string& image) {
  Result result{.what = "IPI round trip, the same guest",
                .rival = "QEMU, in-kernel APIC",
                .unit = "us",
                .ours = {},
                .theirs = {},
                .wanted = 0.6,
                .skipped = ""};
  if (RdtscObeysOffset()) {
    result.skipped = "guests have a TSC of their own here";
  } else if (!IsInstalled(kQemu)) {
    result.skipped = "QEMU is not installed";
  }
  if (!result.skipped.empty()) return result;

  constexpr double kRounds = 100;
  const std::string rounds = "rounds=100 x2apic";
  const auto microseconds = [&](std::vector<std::string> command, const char* option) {
    command.insert(command.end(), {option, rounds});
    // In TSC ticks, which are the host's on such a KVM.
    return std::strtod(AwaitLine(command).text.c_str(), nullptr) / TicksPerMicrosecond() / kRounds;
  };
  const auto samples =
      Interleave(20, {[&] { return microseconds(Muster(muster, image, 2), "--cmdline"); },
                      [&] { return microseconds(Qemu(image, 2), "-append"); }});
  result.ours = samples[0];
  result.theirs = samples[1];
  return result;
}

Result MeasureFirstByte(const std::string& muster, const std::string& image) {
  Result result{.what = "Start of the process to the guest's first byte",
                .rival = "QEMU, -M microvm",
                .unit = "ms",
                .ours = {},
                .theirs = {},
                .wanted = 0.3,
                .skipped = IsInstalled(kQemu) ? "" : "QEMU is not installed"};
  if (!result.skipped.empty()) return result;
  const auto samples =
      Interleave(20, {[&] { return AwaitLine(Muster(muster, image, 1)).first_byte * 1e3; },
                      [&] { return AwaitLine(Qemu(image, 1)).first_byte * 1e3; }});
  result.ours = samples[0];
  result.theirs = samples[1];
  return result;
}

Result MeasureStartUp(const std::string& muster, const std::string& image) {
  const auto per_cpu = [&](int cpus) {
    return AwaitLine(Muster(muster, image, cpus)).complete * 1e3 / cpus;
  };
  const auto samples = Interleave(20, {[&] { return per_cpu(1024); }, [&] { return per_cpu(64); }});
  return {.what = "Start of 1,024 CPUs, for each",
          .rival = "64 CPUs, for each",
          .unit = "ms",
          .ours = samples[0],
          .theirs = samples[1],
          .wanted = 1.2,
          .skipped = ""};
}

}  // namespace muster::bench
