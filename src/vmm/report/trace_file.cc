#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <utility>

#include <muster/vcpu/irq/fabric.h>
#include <muster/vmm/report/timeline.h>
#include <muster/vmm/report/trace_file.h>

namespace muster::vmm {
namespace {

using vcpu::Event;
using vcpu::EventKind;
using vcpu::Origin;

constexpr int kProcess = 1;
constexpr int kNmi = 2;       // the vector
constexpr int kExtInt = 256;  // in place of a vector
// Arrows start and end on slices; what takes no time is drawn this long.
constexpr uint64_t kInstantNs = 500;

const char* Source(const Event& post) {
  switch (static_cast<Origin::Kind>(post.a >> 8 & 0xff)) {
    case Origin::Kind::kIpi:
      return "IPI";
    case Origin::Kind::kPin:
      return "pin";
    case Origin::Kind::kMsi:
      return "MSI";
  }
  return "?";
}

// Builds the array, one object a line.
class Writer {
 public:
  explicit Writer(const RunReport& report) : report_(report), devices_(report.cpus) {
    Add(R"("ph":"M","name":"process_name","args":{"name":"muster"})", 0);
    for (int cpu = 0; cpu < report.cpus; ++cpu) NameTrack(cpu, fmt::format("CPU {}", cpu));
    NameTrack(devices_, "devices");
  }

  void States() {
    for (size_t cpu = 0; cpu < report_.events.size(); ++cpu) {
      const std::vector<Event>& events = report_.events[cpu];
      if (events.empty()) continue;
      // What was before the oldest event that is left is not known.
      const bool whole = events.size() < report_.trace_events;
      const vcpu::Inspection* last = report_.Find(static_cast<int>(cpu));
      for (const Span& span :
           SpansOf(events, whole ? report_.start_ns : events.front().ns, report_.now_ns,
                   last != nullptr ? last->state : vcpu::RunState::kOffline)) {
        Slice(static_cast<int>(cpu), span.begin_ns, span.end_ns - span.begin_ns,
              vcpu::ToString(span.state));
      }
    }
  }

  // All events, in the order of their time.
  void Take(const Event& event) {
    const int track = event.cpu < 0 ? devices_ : event.cpu;
    switch (event.kind) {
      case EventKind::kPost: {
        if ((event.a & vcpu::kPostedExtInt) != 0) {
          Begin(track, event.ns,
                fmt::format("pin {}: ExtINT to CPU {}", event.a >> 16 & 0xff, event.b),
                static_cast<int>(event.b), kExtInt);
          break;
        }
        const auto vector = static_cast<int>(event.a & 0xff);
        const std::string name =
            static_cast<Origin::Kind>(event.a >> 8 & 0xff) == Origin::Kind::kPin
                ? fmt::format("pin {}: {:#04x} to CPU {}", event.a >> 16 & 0xff, vector, event.b)
                : fmt::format("{} {:#04x} to CPU {}", Source(event), vector, event.b);
        Begin(track, event.ns, name, static_cast<int>(event.b), vector);
        break;
      }
      case EventKind::kTimer:
        Begin(track, event.ns, fmt::format("timer {:#04x}", event.a), track,
              static_cast<int>(event.a));
        break;
      case EventKind::kInject:
        Inject(track, event.ns, static_cast<int>(event.a));
        break;
      case EventKind::kExtInt:
        Arrive(track, event.ns, fmt::format("ExtINT {:#04x}", event.a), kExtInt, "f");
        break;
      case EventKind::kNmi:
        Arrive(track, event.ns, "NMI", kNmi, "f");
        break;
      case EventKind::kEoi:
        EndOfInterrupt(track, event.ns, static_cast<int>(event.a));
        break;
      case EventKind::kMeet:
        Slice(track, event.ns, kInstantNs, "meeting");
        break;
      case EventKind::kInit:
        Slice(track, event.ns, kInstantNs, "INIT");
        break;
      case EventKind::kSipi:
        Slice(track, event.ns, kInstantNs, fmt::format("SIPI {:#04x}", event.a));
        break;
      case EventKind::kExit:
      case EventKind::kState:  // see States()
        break;
    }
  }

  std::string Finish() {
    return fmt::format("{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n{}\n]}}\n", text_);
  }

 private:
  using Where = std::pair<int, int>;  // track and vector

  // What every event has: microseconds since the start of the run, with three decimals.
  std::string At(uint64_t ns) const {
    const uint64_t since = ns > report_.start_ns ? ns - report_.start_ns : 0;
    return fmt::format("\"ts\":{}.{:03}", since / 1'000, since % 1'000);
  }

  void Add(const std::string& fields, int track) {
    if (!text_.empty()) text_ += ",\n";
    text_ += fmt::format("{{\"pid\":{},\"tid\":{},{}}}", kProcess, track, fields);
  }

  void NameTrack(int track, const std::string& name) {
    Add(fmt::format(R"("ph":"M","name":"thread_name","args":{{"name":"{}"}})", name), track);
    Add(fmt::format(R"("ph":"M","name":"thread_sort_index","args":{{"sort_index":{}}})", track),
        track);
  }

  void Slice(int track, uint64_t ns, uint64_t duration_ns, const std::string& name) {
    Add(fmt::format(R"("ph":"X",{},"dur":{}.{:03},"name":"{}")", At(ns), duration_ns / 1'000,
                    duration_ns % 1'000, name),
        track);
  }

  // `phase`: s starts an arrow, t carries it on, f ends it.
  void Arrow(int track, uint64_t ns, uint64_t id, const char* phase) {
    Add(fmt::format(R"("ph":"{}",{},"cat":"interrupt","name":"interrupt","id":{},"bp":"e")", phase,
                    At(ns), id),
        track);
  }

  void Begin(int track, uint64_t ns, const std::string& name, int target, int vector) {
    Slice(track, ns, kInstantNs, name);
    Arrow(track, ns, ++last_id_, "s");
    posted_[{target, vector}].push_back(last_id_);
  }

  // Every post that this one delivery answers: edges that merged, too.
  std::vector<uint64_t> Arrive(int track, uint64_t ns, const std::string& name, int vector,
                               const char* phase) {
    Slice(track, ns, kInstantNs, name);
    std::vector<uint64_t> ids = std::exchange(posted_[{track, vector}], {});
    for (uint64_t id : ids) Arrow(track, ns, id, phase);
    return ids;
  }

  void Inject(int track, uint64_t ns, int vector) {
    in_service_[{track, vector}] =
        Arrive(track, ns, fmt::format("inject {:#04x}", vector), vector, "t");
  }

  void EndOfInterrupt(int track, uint64_t ns, int vector) {
    Slice(track, ns, kInstantNs, fmt::format("EOI {:#04x}", vector));
    const auto served = in_service_.find({track, vector});
    if (served == in_service_.end()) return;
    for (uint64_t id : served->second) Arrow(track, ns, id, "f");
    in_service_.erase(served);
  }

  const RunReport& report_;
  const int devices_;  // the track after the last CPU's
  std::string text_;
  uint64_t last_id_ = 0;
  std::map<Where, std::vector<uint64_t>> posted_;
  std::map<Where, std::vector<uint64_t>> in_service_;
};

}  // namespace

std::string ToTraceEvents(const RunReport& report) {
  std::vector<Event> all = report.outside_events;
  for (const std::vector<Event>& events : report.events) {
    all.insert(all.end(), events.begin(), events.end());
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Event& a, const Event& b) { return a.ns < b.ns; });
  Writer writer(report);
  writer.States();
  for (const Event& event : all) writer.Take(event);
  return writer.Finish();
}

}  // namespace muster::vmm
