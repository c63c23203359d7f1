#include <algorithm>
#include <fmt/format.h>

#include <muster/vmm/report/text_table.h>
#include <muster/vmm/stress/suite.h>

namespace muster::vmm {
namespace {

constexpr const char* kError = "error";

std::vector<std::vector<std::string>> GatesByCpu(const RunRecord& record, int cpus) {
  std::vector<std::vector<std::string>> gates(static_cast<size_t>(cpus));
  for (const Arrival& arrival : record.arrivals) {
    gates[static_cast<size_t>(arrival.visit.cpu)].push_back(arrival.visit.gate);
  }
  return gates;
}

}  // namespace

bool SuiteRow::AsDue() const {
  if (runs == 0 || runs < wanted || seen.contains(kError)) return false;
  return !due || (seen.size() == 1 && seen.begin()->first == ToString(*due));
}

bool SuiteResult::AsDue() const {
  return rows.size() == wanted &&
         std::all_of(rows.begin(), rows.end(), [](const SuiteRow& row) { return row.AsDue(); });
}

std::string DescribeSeen(const SuiteRow& row) {
  if (row.seen.size() == 1) return row.seen.begin()->first;
  std::string text;
  for (const auto& [what, times] : row.seen) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", what, times);
  }
  return text;
}

absl::StatusOr<SuiteRow> RunVariant(const vcpu::System& system, const Scenario& scenario,
                                    const Variant& variant,
                                    const std::vector<const Scenario*>& others,
                                    const SuiteRequest& request) {
  SuiteRow row{
      .id = scenario.id, .variant = variant.name, .due = variant.due, .wanted = request.runs};
  bool explained = false;
  const Outside outside = {.fd = request.fd,
                           .heed = [&](Machine& machine) { return request.heed(machine, row); }};
  for (int i = 0; i < request.runs; ++i) {
    absl::StatusOr<RunRecord> record =
        RunForced(system, scenario, variant, request.timeout_ns, outside);
    if (!record.ok()) return record.status();
    // By the guest's misuse of its gates, too: that is judged.
    if (record->ending.kind == Ending::Kind::kInterrupted && record->misuse.empty()) break;
    const Judgement judgement = Judge(*record, scenario, variant, others);
    const std::string seen = judgement.outcome ? ToString(*judgement.outcome) : kError;
    const bool first = row.seen[seen]++ == 0;
    ++row.runs;
    row.wall_ns += record->wall_ns;
    if (i == 0) row.gates = GatesByCpu(*record, scenario.script.cpus);
    if (first && !judgement.why.empty() && (row.why.empty() || !judgement.outcome)) {
      row.why = judgement.why;
    }
    const bool as_due = judgement.outcome && (!variant.due || *judgement.outcome == *variant.due);
    const bool failed = judgement.outcome == Outcome::kFailed;
    if (request.explained && !explained && (!as_due || (request.explain && failed))) {
      explained = true;
      request.explained(scenario, variant, *record, judgement);
    }
  }
  return row;
}

std::string RenderSuite(const std::vector<SuiteRow>& rows, const Style& style) {
  TextTable table({{.title = "ID", .keeps_end = true},
                   {"VARIANT"},
                   {"DUE"},
                   {"SEEN"},
                   {"RUNS", TextTable::Align::kRight},
                   {"TIME", TextTable::Align::kRight}});
  for (const SuiteRow& row : rows) {
    table.AddRow(
        {row.id, row.variant.empty() ? "-" : row.variant, row.due ? ToString(*row.due) : "-",
         DescribeSeen(row), fmt::format("{}", row.runs), FormatDuration(row.wall_ns)},
        row.AsDue() ? Colour::kNone : Colour::kRed);
  }
  return table.Render(style);
}

}  // namespace muster::vmm
