#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <muster/vmm/cli/installed_guests.h>
#include <muster/vmm/cli/kvm_device.h>
#include <muster/vmm/cli/open_serial.h>
#include <muster/vmm/cli/put_out.h>
#include <muster/vmm/cli/raw_terminal.h>
#include <muster/vmm/cli/refuse.h>
#include <muster/vmm/cli/report_files.h>
#include <muster/vmm/cli/run_command.h>
#include <muster/vmm/cli/signals.h>
#include <muster/vmm/cli/supervise.h>
#include <muster/vmm/cli/terminal.h>
#include <muster/vmm/load/bios_area.h>
#include <muster/vmm/load/image_file.h>
#include <muster/vmm/load/load_image.h>
#include <muster/vmm/load/source_lines.h>
#include <muster/vmm/machine/guest_code.h>
#include <muster/vmm/machine/machine.h>
#include <muster/vmm/report/json.h>
#include <muster/vmm/report/run_text.h>
#include <muster/vmm/report/trace_file.h>
#include <muster/vmm/report/wait_text.h>

namespace muster::vmm {
namespace {

constexpr uint64_t kInspectTimeoutNs = 500'000'000;
constexpr int kManyCpus = 256;     // creating so many takes a while
constexpr size_t kCodeBytes = 15;  // the longest instruction
constexpr size_t kTraceEventsInAll = size_t{1} << 18;
constexpr size_t kTraceEventsEach = 1 << 13;

// Each vCPU takes a descriptor, and the soft limit is 1,024 as a rule.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool NeedsReport(const Ending& ending) {
  return !IsPass(ending) && ending.kind != Ending::Kind::kOutputLost;
}

// How many events to keep of each vCPU: always the few that a report shows, 2.5 KiB a vCPU and one
// read of the clock an event.
size_t TraceEvents(const RunOptions& options) {
  if (!options.stats && options.trace.empty()) return vcpu::kLastEvents;
  return std::min(kTraceEventsEach, kTraceEventsInAll / static_cast<size_t>(options.cpus));
}

// One `muster run` from the loaded image on.
class Run {
 public:
  // `image_bytes` last as long as this.
  Run(const RunOptions& options, const ImageBytes& image_bytes, LoadedImage loaded,
      Machine& machine)
      : options_(options),
        image_bytes_(image_bytes),
        loaded_(std::move(loaded)),
        machine_(machine),
        style_(StyleFor(STDERR_FILENO)) {}

  // While the run goes on. The JSON first: whoever reads the text finds it there.
  void ShowReport(ReportFiles& files) {
    const RunReport report = Gather();
    (void)PutJson(files, report);
    Say(RenderReport(report, style_));
  }

  // After the end; the exit status.
  int Conclude(ReportFiles& files) {
    const RunReport report = Gather();
    Say(NeedsReport(*report.ending) ? RenderReport(report, style_)
                                    : RenderHeadline(report, style_));
    if (options_.stats) Say(RenderStats(report, style_));
    if (!PutJson(files, report)) return kExitHostFailure;
    if (files.wants_trace()) {
      if (const absl::Status status = files.PutTrace(ToTraceEvents(report)); !status.ok()) {
        return Refuse(kExitHostFailure, status);
      }
    }
    return ExitStatusOf(*report.ending);
  }

 private:
  // False where it is lost, which has been said.
  static bool PutJson(ReportFiles& files, const RunReport& report) {
    if (!files.wants_json()) return true;
    const absl::Status status = files.PutJson(ToJson(report));
    if (!status.ok()) (void)Refuse(kExitHostFailure, status);
    return status.ok();
  }

  RunReport Gather() {
    RunReport report;
    report.image = options_.image;
    report.format = loaded_.format;
    report.cpus = options_.cpus;
    report.memory_bytes = options_.memory_bytes;
    report.start_ns = machine_.start_ns();
    report.now_ns = machine_.NowNs();
    report.ending = machine_.ending();
    report.vcpus = machine_.Inspect(kInspectTimeoutNs);
    report.trace_events = TraceEvents(options_);
    // While the run goes on, or ends, these are the vCPU threads' own.
    if (machine_.finished()) {
      report.faults = machine_.Faults();
      report.events = machine_.Events();
      report.outside_events = machine_.OutsideEvents();
    }
    report.unknown_ports = machine_.ports().unknown().Rows();
    report.unknown_addresses = machine_.unknown_addresses().Rows();
    report.unknown_msrs = machine_.unknown_msrs().Rows();
    report.other_ports = machine_.ports().unknown().others();
    report.other_addresses = machine_.unknown_addresses().others();
    report.other_msrs = machine_.unknown_msrs().others();
    const apic::IoApic ioapic = machine_.IoApicState();
    report.pins = PinsAwaitingEoi(ioapic, report.vcpus);
    report.ioapic_counters = ioapic.counters();
    report.restarts = machine_.restarts();
    report.wake_ups = machine_.wake_ups();
    report.symbols = loaded_.symbols;
    report.lines = ReadSourceLines(image_bytes_, AddressesOf(report));
    for (GuestFault& fault : report.faults) AddBytes(report, fault);
    if (report.ending && report.ending->fault) {
      AddBytes(report, *report.ending->fault);
      report.ending->detail = Describe(*report.ending->fault);  // now that its code is known
    }
    return report;
  }

  void AddBytes(const RunReport& report, GuestFault& fault) const {
    const vcpu::Inspection* vcpu = report.Find(fault.cpu);
    if (!fault.bytes.empty() || vcpu == nullptr || !vcpu->registers_known) return;
    fault.bytes = ReadCode(machine_.memory(), *vcpu, fault.rip, kCodeBytes);
    fault.no_code = fault.bytes.empty();
  }

  const RunOptions& options_;
  const ImageBytes image_bytes_;
  const LoadedImage loaded_;
  Machine& machine_;
  const Style style_;
};

}  // namespace

int RunCommand(const RunOptions& options) {
  RaiseDescriptorLimit();
  const auto path = ResolveImage(options.image);
  if (!path.ok()) return Refuse(kExitImage, path.status());
  const auto image = ReadFile(*path);
  if (!image.ok()) return Refuse(kExitImage, image.status());
  LoadRequest request{.image = ImageBytes(*path, *image), .arguments = options.arguments};
  request.flat = options.flat;
  absl::StatusOr<std::vector<uint8_t>> initrd = std::vector<uint8_t>();
  if (!options.initrd.empty()) {
    initrd = ReadFile(options.initrd);
    if (!initrd.ok()) return Refuse(kExitImage, WithOption("--initrd", initrd.status()));
    request.initrd = ImageBytes(options.initrd, *initrd);
  }
  RawTerminal terminal(options.serial.kind == SerialChoice::Kind::kConsole ? STDIN_FILENO : -1);
  const auto serial = OpenSerial::Open(options.serial, terminal);
  if (!serial.ok()) {
    return Refuse(kExitUsage, WithOption("--serial", serial.status()));
  }
  DistinctFiles distinct;
  distinct.Reads("the image", *path);
  distinct.Reads("--initrd", options.initrd);
  ReportFiles files;
  absl::Status written = distinct.Writes("--serial", (*serial)->file_fd());
  if (written.ok()) written = files.Open(options, distinct);
  if (!written.ok()) return Refuse(kExitUsage, written);

  auto memory = GuestMemory::Create(options.memory_bytes);
  if (!memory.ok()) return Refuse(kExitHostFailure, memory.status());
  if (absl::Status status = WriteBiosArea(options.cpus, *memory); !status.ok()) {
    return Refuse(kExitHostFailure, status);
  }
  auto loaded = LoadImage(request, *memory);
  if (!loaded.ok()) return Refuse(kExitImage, loaded.status());

  const auto system = vcpu::System::Open(KvmDevice());
  if (!system.ok()) return RefuseWithoutKvm(system.status());
  if (options.cpus > system->max_vcpus()) {
    return Refuse(kExitUsage, fmt::format("--cpus {}: this KVM gives a guest at most {}",
                                          options.cpus, system->max_vcpus()));
  }

  Signals signals;
  WaitPrinter wait_printer;
  MachineConfig config;
  config.observer = &wait_printer;
  config.cpus = options.cpus;
  config.trace_events = TraceEvents(options);
  config.serial = &(*serial)->peer();
  config.reload = [again = request, cpus = options.cpus](
                      GuestMemory& to) mutable -> absl::StatusOr<vcpu::StartState> {
    again.again = true;
    if (absl::Status status = WriteBiosArea(cpus, to); !status.ok()) return status;
    auto reloaded = LoadImage(again, to);
    if (!reloaded.ok()) return reloaded.status();
    return reloaded->start;
  };
  const vcpu::StartState start = loaded->start;
  auto machine = [&] {
    // Gone before the guest's first byte, which it would hide.
    const bool is_slow = options.cpus >= kManyCpus;
    const PassingLine line(STDERR_FILENO,
                           is_slow ? fmt::format("muster: creating {} CPUs", options.cpus) : "");
    return Machine::Create(*system, config, *std::move(memory), start);
  }();
  if (!machine.ok()) return Refuse(kExitHostFailure, machine.status());
  Run run(options, request.image, *std::move(loaded), **machine);
  if (!(*serial)->news().empty()) Say(fmt::format("muster: {}\n", (*serial)->news()));
  absl::Status begun = files.Begin();
  if (begun.ok()) begun = (*serial)->Begin();
  if (!begun.ok()) return Refuse(kExitHostFailure, begun);
  terminal.Enter();
  if (absl::Status status = (*machine)->Start(); !status.ok()) {
    return Refuse(kExitHostFailure, status);
  }
  Supervise(**machine, signals, terminal, options.timeout_ns, [&] { run.ShowReport(files); });
  terminal.Leave();
  // Nobody takes these any more, and the last of the output may wait for a reader.
  signals.LetKill();
  (*machine)->Finish();
  return run.Conclude(files);
}

}  // namespace muster::vmm
