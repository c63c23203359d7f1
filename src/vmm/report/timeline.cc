#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

#include <muster/vmm/report/timeline.h>

namespace muster::vmm {
namespace {

using vcpu::EventKind;
using vcpu::RunState;

constexpr size_t kMostRows = 32;
constexpr size_t kStates = 4;

// Nanoseconds spent in each state, by its number.
using Shares = std::array<double, kStates>;

struct Glyphs {
  std::vector<const char*> running;  // by eighths, from the least
  const char* halted;
  const char* waiting;
  const char* tick;
  const char* line;
};

const Glyphs& GlyphsFor(const Style& style) {
  static const Glyphs unicode{{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}, "─", "·", "┬", "─"};
  static const Glyphs ascii{{"_", "_", "+", "+", "+", "#", "#", "#"}, "-", ".", "+", "-"};
  return style.unicode ? unicode : ascii;
}

void AddShares(const std::vector<Span>& spans, uint64_t begin, uint64_t end, Shares& shares) {
  for (const Span& span : spans) {
    const uint64_t from = std::max(span.begin_ns, begin), to = std::min(span.end_ns, end);
    if (from < to) shares[static_cast<size_t>(span.state)] += static_cast<double>(to - from);
  }
}

std::string Cell(const Shares& shares, const Style& style) {
  const Glyphs& glyphs = GlyphsFor(style);
  const double running = shares[static_cast<size_t>(RunState::kRunning)];
  const double halted = shares[static_cast<size_t>(RunState::kHalted)];
  const double waiting = shares[static_cast<size_t>(RunState::kWaitForSipi)];
  const double all = running + halted + waiting + shares[static_cast<size_t>(RunState::kOffline)];
  if (all <= 0) return " ";
  if (running > 0) {
    const double eighths = std::ceil(running / all * 8);
    return style.Paint(Colour::kGreen,
                       glyphs.running[static_cast<size_t>(std::clamp(eighths, 1.0, 8.0) - 1)]);
  }
  if (halted >= waiting && halted > 0) return style.Paint(Colour::kBlue, glyphs.halted);
  return waiting > 0 ? style.Paint(Colour::kDim, glyphs.waiting) : " ";
}

std::optional<uint64_t> FirstStart(const std::vector<vcpu::Event>& events) {
  for (const vcpu::Event& event : events) {
    if (event.kind == EventKind::kState &&
        event.a == static_cast<uint64_t>(RunState::kWaitForSipi) &&
        event.b == static_cast<uint64_t>(RunState::kRunning)) {
      return event.ns;
    }
  }
  return std::nullopt;
}

// A round step that gives about `wanted` ticks.
uint64_t TickStep(uint64_t range, int wanted) {
  uint64_t step = 1000;  // 1 us
  for (;;) {
    for (uint64_t factor : {1, 2, 5}) {
      if (step * factor * static_cast<uint64_t>(wanted) >= range) return step * factor;
    }
    step *= 10;
  }
}

std::string TickLabel(uint64_t ns) {
  if (ns == 0) return "0";
  return ns % 1'000'000 == 0 ? fmt::format("{} ms", ns / 1'000'000)
                             : fmt::format("{:.2g} ms", static_cast<double>(ns) / 1e6);
}

// Two lines: the times, and an axis with a tick under each.
std::string Axis(uint64_t range, size_t columns, const std::string& margin, const Style& style) {
  const Glyphs& glyphs = GlyphsFor(style);
  std::string labels(columns + 12, ' ');
  std::vector<bool> ticks(columns, false);
  const uint64_t step = TickStep(range, 5);
  for (uint64_t at = 0; at <= range; at += step) {
    const size_t column = static_cast<size_t>(
        static_cast<double>(at) * static_cast<double>(columns) / static_cast<double>(range));
    if (column >= columns) break;
    const std::string label = TickLabel(at);
    labels.replace(column, label.size(), label);
    ticks[column] = true;
  }
  labels.erase(labels.find_last_not_of(' ') + 1);
  std::string line;
  for (bool tick : ticks) line += tick ? glyphs.tick : glyphs.line;
  return margin + labels + "\n" + margin + style.Paint(Colour::kDim, line) + "\n";
}

}  // namespace

std::vector<Span> SpansOf(const std::vector<vcpu::Event>& events, uint64_t begin_ns,
                          uint64_t end_ns, RunState last) {
  std::vector<Span> spans;
  uint64_t since = begin_ns;
  RunState state = last;
  for (const vcpu::Event& event : events) {
    if (event.kind != EventKind::kState || event.a >= kStates || event.b >= kStates) continue;
    if (event.ns > since) spans.push_back({since, event.ns, static_cast<RunState>(event.a)});
    since = std::max(since, event.ns);
    state = static_cast<RunState>(event.b);
  }
  if (end_ns > since) spans.push_back({since, end_ns, state});
  return spans;
}

std::string RenderTimeline(const RunReport& report, const Style& style) {
  bool any = false;
  uint64_t last_start = 0;
  for (const auto& events : report.events) {
    any = any || !events.empty();
    if (const auto start = FirstStart(events)) last_start = std::max(last_start, *start);
  }
  if (!any || report.wall_ns() == 0) return "";

  // Twice as long as it took until the last was up: enough to see what came then.
  const uint64_t begin = report.start_ns;
  uint64_t end = report.now_ns;
  if (last_start > begin) end = std::min(end, begin + 2 * (last_start - begin));

  const size_t per_row = (report.vcpus.size() + kMostRows - 1) / kMostRows;
  const size_t note = 18;
  const std::string margin(10, ' ');
  const int width = style.terminal_width > 0 ? style.terminal_width : 80;
  const size_t columns = static_cast<size_t>(std::clamp(width, 60, 120)) - margin.size() - note;
  bool any_wrapped = false;
  std::string text = Axis(end - begin, columns, margin, style);
  for (size_t first = 0; first < report.vcpus.size(); first += per_row) {
    const size_t past = std::min(first + per_row, report.vcpus.size());
    std::vector<Shares> cells(columns, Shares{});
    std::string started;
    for (size_t i = first; i < past; ++i) {
      const vcpu::Inspection& vcpu = report.vcpus[i];
      const auto& events = report.events[static_cast<size_t>(vcpu.cpu)];
      const bool wrapped = !events.empty() && events.size() >= report.trace_events;
      any_wrapped = any_wrapped || wrapped;
      const std::vector<Span> spans =
          SpansOf(events, wrapped ? events.front().ns : begin, report.now_ns, vcpu.state);
      for (size_t c = 0; c < columns; ++c) {
        AddShares(spans, begin + (end - begin) * c / columns,
                  begin + (end - begin) * (c + 1) / columns, cells[c]);
      }
      if (const auto start = FirstStart(events); start && started.empty() && *start > begin) {
        started = "SIPI at " + FormatDuration(*start - begin);
      }
    }
    const int low = report.vcpus[first].cpu, high = report.vcpus[past - 1].cpu;
    text += fmt::format("  {:<8}",
                        low == high ? fmt::format("cpu {}", low) : fmt::format("{}-{}", low, high));
    for (const Shares& shares : cells) text += Cell(shares, style);
    text += started.empty() ? "\n" : "  " + style.Paint(Colour::kDim, started) + "\n";
  }
  const Glyphs& glyphs = GlyphsFor(style);
  text += fmt::format("{}{} running   {} halted   {} waits for SIPI\n", margin,
                      style.Paint(Colour::kGreen, glyphs.running.back()),
                      style.Paint(Colour::kBlue, glyphs.halted),
                      style.Paint(Colour::kDim, glyphs.waiting));
  if (any_wrapped) {
    text += fmt::format("{}blank: more happened than is kept, the last {} events of each CPU\n",
                        margin, report.trace_events);
  }
  return text;
}

}  // namespace muster::vmm
