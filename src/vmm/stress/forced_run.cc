#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fmt/ranges.h>
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

std::string Describe(const DeclaredWait& wait, const FinalState& state) {
  const std::string what = NameOf(state, wait.address);
  switch (wait.relation) {
    case DeclaredWait::Relation::kEqual:
      return fmt::format("{} to be {}", what, wait.wanted);
    case DeclaredWait::Relation::kAtLeast:
      return fmt::format("{} to be {} or more", what, wait.wanted);
    case DeclaredWait::Relation::kDiffers:
      return fmt::format("{} to be other than {}", what, wait.wanted);
    case DeclaredWait::Relation::kBitsClear:
      return fmt::format("bits {1:#x} of {0} to be clear", what, wait.wanted);
  }
  return what;
}

// What kept those from moving that the hold waited for; sleepers only where nobody spun.
std::string DescribeWaits(const Hold& hold, const HoldEnd& end, const FinalState& state) {
  const bool some_spin = std::any_of(end.waits.begin(), end.waits.end(),
                                     [](const auto& wait) { return !wait.second.halts; });
  std::string text = fmt::format("while {} was held,", ToString(hold.at));
  for (const auto& [cpu, wait] : end.waits) {
    if (some_spin && wait.halts) continue;
    text += fmt::format("{} cpu {} waited for {}", text.ends_with(',') ? "" : ";", cpu,
                        Describe(wait, state));
  }
  return text;
}

// Where a vCPU was instead, for who has misspelt a gate.
std::string GatesOf(int cpu, const RunRecord& record) {
  std::vector<std::string> gates;
  for (const Arrival& arrival : record.arrivals) {
    if (arrival.visit.cpu != cpu ||
        std::count(gates.begin(), gates.end(), arrival.visit.gate) != 0) {
      continue;
    }
    gates.push_back(arrival.visit.gate);
  }
  return gates.empty() ? fmt::format("; cpu {} came to no gate", cpu)
                       : fmt::format("; cpu {} came to {}", cpu, fmt::join(gates, ", "));
}

// What became of the script; the error, where it was not carried out.
std::string Unfinished(const RunRecord& record, const Variant& variant) {
  for (size_t i = 0; i < record.holds.size(); ++i) {
    const Hold& hold = variant.holds[i];
    if (record.holds[i].how == HoldEnd::How::kNeverBegun) {
      return fmt::format("the script stalled: its line {} waits for {}, which never came{}",
                         hold.line, ToString(hold.at), GatesOf(hold.at.cpu, record));
    }
    if (record.holds[i].how == HoldEnd::How::kStanding) {
      return fmt::format("the script stalled: by its line {} {} was held to the end", hold.line,
                         ToString(hold.at));
    }
  }
  return "";
}

bool EndedWell(const Ending& ending) { return ending.kind == Ending::Kind::kPowerOff; }

std::string DescribeEnding(const RunRecord& record) {
  std::string text = fmt::format("{}: {}", ToString(record.ending.kind), record.ending.detail);
  const std::string& output = record.output;
  if (!output.empty()) {
    const size_t last = output.find_last_not_of('\n');
    const size_t line = last == std::string::npos ? 0 : output.rfind('\n', last) + 1;
    text += fmt::format("; the guest's last line: {}", output.substr(line, last + 1 - line));
  }
  return text;
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

Judgement Judge(const RunRecord& record, const Scenario& scenario, const Variant& variant,
                const std::vector<const Scenario*>& others) {
  if (!record.misuse.empty()) return {std::nullopt, record.misuse};
  if (record.ending.kind == Ending::Kind::kHostFailure ||
      record.ending.kind == Ending::Kind::kInterrupted) {
    return {std::nullopt, DescribeEnding(record)};
  }
  for (const Scenario* other : others) {
    if (other->id != scenario.id && other->signature && other->signature->Matches(record.state)) {
      return {std::nullopt, fmt::format("the signature of {} matches", other->id)};
    }
  }
  if (record.ending.kind == Ending::Kind::kTimeout) {
    return {std::nullopt, "the run had not ended after " + record.ending.detail};
  }
  std::string unfinished = Unfinished(record, variant);
  std::string forced;
  for (size_t i = 0; i < record.holds.size(); ++i) {
    if (record.holds[i].how == HoldEnd::How::kForced && forced.empty()) {
      forced = DescribeWaits(variant.holds[i], record.holds[i], record.state);
    }
  }

  const bool failed =
      scenario.signature ? scenario.signature->Matches(record.state) : !EndedWell(record.ending);
  if (failed) {
    if (unfinished.empty() && !forced.empty()) unfinished = "not as the script has it: " + forced;
    if (!unfinished.empty()) return {std::nullopt, "harm was done, but " + unfinished};
    return {Outcome::kFailed, scenario.signature ? "" : DescribeEnding(record)};
  }
  if (!EndedWell(record.ending)) {
    return {std::nullopt,
            fmt::format("{}; but not as the signature has it: {}{}", DescribeEnding(record),
                        scenario.signature->FirstMiss(record.state),
                        unfinished.empty() ? "" : "; " + unfinished)};
  }
  if (!unfinished.empty()) return {std::nullopt, unfinished};
  if (!forced.empty()) return {Outcome::kPrevented, forced};
  return {Outcome::kSurvived, ""};
}

}  // namespace muster::vmm
