#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <muster/vcpu/kvm/fd.h>
#include <muster/vmm/load/bios_area.h>
#include <muster/vmm/load/load_image.h>
#include <muster/vmm/report/os_error.h>
#include <muster/vmm/report/style.h>
#include <muster/vmm/serial/fd_peer.h>
#include <muster/vmm/stress/forced_run.h>

namespace muster::vmm {
namespace {

constexpr uint64_t kMemoryBytes = uint64_t{32} << 20;
constexpr size_t kTraceEvents = 4096;  // of each vCPU
constexpr uint64_t kInspectTimeoutNs = 500'000'000;
constexpr size_t kLongestOutput = 4096;

// A file in memory for what the guest prints.
class OutputFile {
 public:
  OutputFile() : fd_(memfd_create("guest output", MFD_CLOEXEC)) {}

  int fd() const { return fd_.get(); }
  std::string Text() const {
    std::string text(kLongestOutput, '\0');
    const ssize_t got = pread(fd(), text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return text;
  }

 private:
  const vcpu::Fd fd_;
};

void SeeThrough(Machine& machine, Director& director, uint64_t timeout_ns, const Outside& outside) {
  uint64_t deadline = machine.start_ns() + timeout_ns;
  do {
    const std::string ends = outside.heed(machine);
    if (!ends.empty()) machine.End({.kind = Ending::Kind::kInterrupted, .detail = ends});
    timespec left{};
    if (deadline != sync::kNever) {
      const uint64_t now = machine.NowNs();
      if (now >= deadline) {
        deadline = sync::kNever;
        machine.End({.kind = Ending::Kind::kTimeout, .detail = FormatDuration(timeout_ns)});
        continue;
      }
      left.tv_sec = static_cast<time_t>((deadline - now) / 1'000'000'000);
      left.tv_nsec = static_cast<long>((deadline - now) % 1'000'000'000);
    }
    pollfd waits[] = {
        {machine.news_fd(), POLLIN, 0}, {director.hint_fd(), POLLIN, 0}, {outside.fd, POLLIN, 0}};
    if (ppoll(waits, std::size(waits), deadline == sync::kNever ? nullptr : &left, nullptr) < 0 &&
        errno != EINTR) {
      machine.End(
          {.kind = Ending::Kind::kHostFailure, .detail = fmt::format("ppoll: {}", OsError())});
    }
    machine.Tend();
    director.Look();
  } while (!machine.finished());
}

}  // namespace

absl::StatusOr<RunRecord> RunForced(const vcpu::System& system, const Scenario& scenario,
                                    const Variant& variant, uint64_t timeout_ns,
                                    const Outside& outside) {
  const int cpus = scenario.script.cpus;
  auto memory = GuestMemory::Create(kMemoryBytes);
  if (!memory.ok()) return memory.status();
  if (absl::Status status = WriteBiosArea(cpus, *memory); !status.ok()) return status;
  const std::string arguments = variant.name.empty() ? "" : "variant=" + variant.name;
  const auto loaded = LoadImage({.image = scenario.bytes(), .arguments = arguments}, *memory);
  if (!loaded.ok()) return loaded.status();

  OutputFile output;
  if (output.fd() < 0) {
    return absl::ResourceExhaustedError(fmt::format("memfd_create: {}", OsError()));
  }
  Director director(variant, cpus);
  FdPeer serial(/*input_fd=*/-1, output.fd());
  MachineConfig config;
  config.cpus = cpus;
  config.trace_events = kTraceEvents;
  config.trace_rip = true;
  config.serial = &serial;
  config.gates = &director;
  auto machine = Machine::Create(system, config, *std::move(memory), loaded->start);
  if (!machine.ok()) return machine.status();
  director.Attach(**machine);
  if (absl::Status status = (*machine)->Start(); !status.ok()) return status;
  SeeThrough(**machine, director, timeout_ns, outside);
  (*machine)->Finish();

  RunRecord record;
  record.ending = *(*machine)->ending();
  record.wall_ns = (*machine)->NowNs() - (*machine)->start_ns();
  record.arrivals = director.arrivals();
  record.holds = director.holds();
  record.misuse = director.misuse();
  record.events = (*machine)->Events();
  record.output = output.Text();
  record.state.memory = &(*machine)->memory();
  record.state.symbols = &scenario.symbols;
  record.state.variables = &scenario.variables;
  record.state.vcpus = (*machine)->Inspect(kInspectTimeoutNs);
  record.state.waits = director.waits();
  // Where all sleep the machine finds out by itself.
  record.state.deadlock = director.deadlock() || record.ending.kind == Ending::Kind::kNoProgress;
  record.machine = *std::move(machine);
  return record;
}

}  // namespace muster::vmm
