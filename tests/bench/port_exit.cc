#include "measure.h"
#include "real_mode_vm.h"

namespace muster::bench {

Result MeasurePortExit(const vcpu::System& system) {
  // Batches shorter than a scheduler's slice: most of them are not interrupted.
  constexpr int kBatch = 200, kRepeats = 1000;
  const Snippet code = MUSTER_BENCH_SNIPPET(bench_port_exits);
  Ram our_ram, bare_ram;
  our_ram.Load(Ram::kBspCode, code);
  bare_ram.Load(Ram::kBspCode, code);
  MusterVm ours(system, 1, our_ram);
  const BareVmPtr bare = MakeBareVm(1, bare_ram);

  const auto microseconds_each = [](const auto& run) {
    const double begin = Seconds();
    run();
    return (Seconds() - begin) * 1e6 / kBatch;
  };
  const auto samples = Interleave(
      kRepeats, {[&] { return microseconds_each([&] { ours.RunPortExits(kBatch); }); },
                 [&] { return microseconds_each([&] { BareRunPortExits(bare.get(), kBatch); }); }});
  return {.what = "Port exit through the run loop",
          .rival = "bare KVM_RUN loop",
          .unit = "us",
          .ours = samples[0],
          .theirs = samples[1],
          .wanted = 1.05,
          .skipped = ""};
}

}  // namespace muster::bench
