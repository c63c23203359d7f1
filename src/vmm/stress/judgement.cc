#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <muster/vmm/stress/judgement.h>

namespace muster::vmm {
namespace {

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

Judgement Judge(const RunRecord& record, const Scenario& scenario, const Variant& variant,
                const std::vector<const Scenario*>& others) {
  if (!record.misuse.empty()) return {std::nullopt, record.misuse};
  if (record.ending.kind == Ending::Kind::kHostFailure ||
      record.ending.kind == Ending::Kind::kDefect ||
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
