#include <fmt/format.h>

#include <muster/vmm/report/activity.h>
#include <muster/vmm/report/text_table.h>

namespace muster::vmm {
namespace {

using vcpu::Counters;

constexpr size_t kMostRows = 32;

struct Figure {
  const char* title;
  uint64_t (*of)(const Counters&);
};

constexpr Figure kFigures[] = {
    {"EXITS", [](const Counters& c) { return c.entries; }},
    {"PORT", [](const Counters& c) { return c.port_exits; }},
    {"MMIO", [](const Counters& c) { return c.mmio_exits; }},
    {"MSR", [](const Counters& c) { return c.msr_exits; }},
    {"HLT", [](const Counters& c) { return c.hlt_exits; }},
    {"OTHER",
     [](const Counters& c) {
       return c.window_exits + c.tpr_exits + c.debug_exits + c.interrupted + c.other_exits;
     }},
    {"IPIS", [](const Counters& c) { return c.ipis_sent; }},
    {"INTRS", [](const Counters& c) { return c.injected + c.extints_injected; }},
    {"NMIS", [](const Counters& c) { return c.nmis_injected; }},
    {"INIT", [](const Counters& c) { return c.inits; }},
    {"SIPI", [](const Counters& c) { return c.startups; }},
    {"MET", [](const Counters& c) { return c.meetings; }},
    {"KICKS", [](const Counters& c) { return c.kicks; }},
    {"SLEPT", [](const Counters& c) { return c.parks; }},
};

struct Row {
  explicit Row(std::string name) : label(std::move(name)), sums(std::size(kFigures)) {}

  void Add(const Counters& counters) {
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += kFigures[i].of(counters);
  }

  std::string label;
  std::vector<uint64_t> sums;
};

// In at most six columns.
std::string Short(uint64_t count) {
  if (count < 1'000'000) return fmt::format("{}", count);
  if (count < 1'000'000'000) return fmt::format("{:.1f}M", static_cast<double>(count) / 1e6);
  return fmt::format("{:.1f}G", static_cast<double>(count) / 1e9);
}

}  // namespace

std::string RenderActivity(const RunReport& report, const Style& style) {
  std::vector<TextTable::Column> columns = {{"CPU", TextTable::Align::kRight}};
  for (const Figure& figure : kFigures) columns.push_back({figure.title, TextTable::Align::kRight});
  TextTable table(std::move(columns));
  const auto add = [&table](const Row& row, Colour colour) {
    std::vector<std::string> cells = {row.label};
    for (uint64_t sum : row.sums) cells.push_back(sum == 0 ? "." : Short(sum));
    table.AddRow(std::move(cells), colour);
  };

  Row rest("rest"), all("all");
  size_t shown = 0, rest_begin = 0;
  for (size_t i = 0; i < report.vcpus.size();) {
    Row row("");
    row.Add(report.vcpus[i].counters);
    size_t end = i;
    for (; end < report.vcpus.size(); ++end) {
      Row next("");
      next.Add(report.vcpus[end].counters);
      if (next.sums != row.sums) break;
      all.Add(report.vcpus[end].counters);
      if (shown == kMostRows) rest.Add(report.vcpus[end].counters);
    }
    if (shown < kMostRows) {
      const int first = report.vcpus[i].cpu, last = report.vcpus[end - 1].cpu;
      row.label = first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
      add(row, Colour::kNone);
      ++shown;
      rest_begin = end;
    }
    i = end;
  }
  if (rest_begin < report.vcpus.size()) add(rest, Colour::kNone);
  if (report.vcpus.size() > 1) add(all, Colour::kBold);
  return table.Render(style);
}

}  // namespace muster::vmm
