#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/kvm.h>

#include <muster/vmm/report/last_events.h>
#include <muster/vmm/report/text_table.h>

namespace muster::vmm {
namespace {

using vcpu::Event;
using vcpu::EventKind;

constexpr size_t kMostRows = 24;
constexpr size_t kEventsEach = 6;

std::string DescribeExit(const Event& event) {
  switch (event.a) {
    case KVM_EXIT_IO:
      return fmt::format("port {:x}", event.b);
    case KVM_EXIT_MMIO:
      return fmt::format("mmio {:x}", event.b);
    case KVM_EXIT_X86_RDMSR:
      return fmt::format("rdmsr {:x}", event.b);
    case KVM_EXIT_X86_WRMSR:
      return fmt::format("wrmsr {:x}", event.b);
    case KVM_EXIT_HLT:
      return "hlt";
    default:
      return fmt::format("exit {}", event.a);
  }
}

// The newest, oldest first; what repeats is counted as one.
std::string DescribeLast(const std::vector<Event>& events) {
  std::vector<std::pair<std::string, int>> newest;  // newest first
  for (auto event = events.rbegin(); event != events.rend(); ++event) {
    std::string text = DescribeEvent(*event);
    if (!newest.empty() && newest.back().first == text) {
      ++newest.back().second;
    } else if (newest.size() == kEventsEach) {
      break;
    } else {
      newest.emplace_back(std::move(text), 1);
    }
  }
  std::vector<std::string> words;
  for (auto word = newest.rbegin(); word != newest.rend(); ++word) {
    words.push_back(word->second == 1 ? word->first
                                      : fmt::format("{} x{}", word->first, word->second));
  }
  return fmt::format("{}", fmt::join(words, ", "));
}

struct Row {
  std::string cpus;
  int count;
  uint64_t latest_ns;
  std::string events;
};

// Neighbours that did the same, whenever they did, in one.
std::vector<Row> Rows(const RunReport& report) {
  std::vector<Row> rows;
  int first = 0, next = -1;
  for (const vcpu::Inspection& vcpu : report.vcpus) {
    if (vcpu.last_events.empty()) continue;
    const uint64_t latest = vcpu.last_events.back().ns;
    std::string events = DescribeLast(vcpu.last_events);
    if (!rows.empty() && vcpu.cpu == next && rows.back().events == events) {
      rows.back().cpus = fmt::format("{}-{}", first, vcpu.cpu);
      ++rows.back().count;
      rows.back().latest_ns = std::max(rows.back().latest_ns, latest);
    } else {
      first = vcpu.cpu;
      rows.push_back({fmt::format("{}", first), 1, latest, std::move(events)});
    }
    next = vcpu.cpu + 1;
  }
  return rows;
}

}  // namespace

std::string DescribeEvent(const Event& event) {
  switch (event.kind) {
    case EventKind::kExit:
      return DescribeExit(event);
    case EventKind::kPost:
      if ((event.a & vcpu::kPostedExtInt) != 0) return fmt::format("post ExtINT to {}", event.b);
      return fmt::format("post {:02x} to {}", event.a & 0xff, event.b);
    case EventKind::kState:
      return vcpu::ToString(static_cast<vcpu::RunState>(event.b));
    case EventKind::kNmi:
      return "NMI";
    case EventKind::kInit:
      return "INIT";
    case EventKind::kMeet:
      return "meet";
    case EventKind::kEoi:
      return fmt::format("EOI {:02x}", event.a);
    case EventKind::kSipi:
      return fmt::format("SIPI {:02x}", event.a);
    case EventKind::kExtInt:
      return fmt::format("ExtINT {:02x}", event.a);
    case EventKind::kInject:
    case EventKind::kTimer:
      return fmt::format("{} {:02x}", vcpu::ToString(event.kind), event.a);
  }
  return "?";
}

std::string RenderLastEvents(const RunReport& report, const Style& style) {
  const std::vector<Row> rows = Rows(report);
  if (rows.empty()) return "";
  TextTable table({{"CPU", TextTable::Align::kRight},
                   {"AGO", TextTable::Align::kRight},
                   {"LAST EVENTS, THE NEWEST AT THE END", TextTable::Align::kLeft, 120}});
  int left_out = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (i >= kMostRows) {
      left_out += rows[i].count;
      continue;
    }
    const uint64_t ago = report.now_ns > rows[i].latest_ns ? report.now_ns - rows[i].latest_ns : 0;
    table.AddRow({rows[i].cpus, FormatDuration(ago), rows[i].events});
  }
  std::string text = "\n" + table.Render(style);
  if (left_out > 0) text += fmt::format("  and {} more CPUs\n", left_out);
  return text;
}

}  // namespace muster::vmm
