#include <cstring>
#include <thread>

#include "measure.h"
#include "real_mode_vm.h"

extern "C" const uint8_t bench_ping_rounds[];

namespace muster::bench {

constexpr uint32_t kBatch = 20;  // round trips: less than a scheduler's slice

// Outside the unnamed namespace, in which clang takes the snippets for its own.
static void Load(Ram& ram) {
  const Snippet ping = MUSTER_BENCH_SNIPPET(bench_ping);
  ram.Load(Ram::kBspCode, ping);
  std::memcpy(ram.bytes() + Ram::kBspCode + (bench_ping_rounds - ping.begin), &kBatch,
              sizeof(kBatch));
  ram.Load(Ram::kApCode, MUSTER_BENCH_SNIPPET(bench_pong));
  ram.Load(0x2000, MUSTER_BENCH_SNIPPET(bench_on_ping));
  ram.SetIvt(0x40, 0x2000);
  ram.Load(0x2100, MUSTER_BENCH_SNIPPET(bench_on_pong));
  ram.SetIvt(0x41, 0x2100);
}

namespace {

// One machine exists at a time: the CPU that waits spins, and would take a core from the rival.
template <typename ToPort>
Samples Measure(const ToPort& run_to_port, int repeats) {
  Samples samples;
  run_to_port();  // the other CPU is there
  run_to_port();  // warm
  for (int i = 0; i < repeats; ++i) {
    const double begin = Seconds();
    run_to_port();
    samples.Add((Seconds() - begin) * 1e6 / kBatch);
  }
  return samples;
}

double MeasureOurs(const vcpu::System& system) {
  Ram ram;
  Load(ram);
  MusterVm vm(system, 2, ram);
  std::thread other([&] { vm.RunOther(); });
  const Samples samples = Measure([&] { vm.RunPortExits(1); }, 15);
  vm.Stop();
  other.join();
  return samples.Median();
}

double MeasureBare() {
  Ram ram;
  Load(ram);
  const BareVmPtr vm = MakeBareVm(2, ram);
  std::thread other([&] { BareRunToPort(vm.get(), 1); });
  const Samples samples = Measure([&] { BareRunToPort(vm.get(), 0); }, 15);
  BareStop(vm.get());
  other.join();
  return samples.Median();
}

}  // namespace

Result MeasureIpi(const vcpu::System& system) {
  const auto samples = Interleave(30, {[&] { return MeasureOurs(system); }, MeasureBare});
  return {.what = "IPI round trip between two running CPUs",
          .rival = "bare C ping-pong",
          .unit = "us",
          .ours = samples[0],
          .theirs = samples[1],
          .wanted = 1.15,
          .skipped = ""};
}

}  // namespace muster::bench
