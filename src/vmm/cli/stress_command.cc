#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <memory>

#include <muster/vmm/cli/distinct_files.h>
#include <muster/vmm/cli/installed_guests.h>
#include <muster/vmm/cli/kvm_device.h>
#include <muster/vmm/cli/put_out.h>
#include <muster/vmm/cli/refuse.h>
#include <muster/vmm/cli/report_file.h>
#include <muster/vmm/cli/signals.h>
#include <muster/vmm/cli/stress_command.h>
#include <muster/vmm/cli/supervise.h>
#include <muster/vmm/cli/terminal.h>
#include <muster/vmm/cli/two_columns.h>
#include <muster/vmm/report/json.h>
#include <muster/vmm/stress/explanation.h>
#include <muster/vmm/stress/suite.h>

namespace muster::vmm {
namespace {

// A scenario and those of its variants that are to run.
struct Chosen {
  const Scenario* scenario;
  std::vector<const Variant*> variants;
};

absl::Status AddVariants(const Scenario& scenario, const std::string& name, Chosen& chosen) {
  for (const Variant& variant : scenario.script.variants) {
    if (name.empty() || variant.name == name) chosen.variants.push_back(&variant);
  }
  if (!chosen.variants.empty()) return absl::OkStatus();
  std::string names;
  for (const Variant& variant : scenario.script.variants) {
    names += (names.empty() ? "" : ", ") + variant.name;
  }
  return absl::NotFoundError(
      fmt::format("{} has no variant '{}'; it has {}", scenario.id, name, names));
}

// All installed scenarios, since each run is tried on all signatures, and those chosen of them.
absl::Status LoadSuite(const std::vector<std::string>& names,
                       std::vector<std::unique_ptr<Scenario>>& all, std::vector<Chosen>& chosen) {
  for (const std::string& id : InstalledScenarios()) {
    auto scenario = LoadInstalledScenario(id);
    if (!scenario.ok()) return scenario.status();
    all.push_back(std::make_unique<Scenario>(*std::move(scenario)));
  }
  if (names.empty()) {
    for (const auto& scenario : all) {
      Chosen one{scenario.get(), {}};
      if (absl::Status status = AddVariants(*scenario, "", one); !status.ok()) return status;
      chosen.push_back(one);
    }
    return all.empty() ? LoadInstalledScenario("").status() : absl::OkStatus();
  }
  for (const std::string& name : names) {
    const std::string id = name.substr(0, name.find('/'));
    if (id.empty() || name.back() == '/') {
      std::vector<std::string> ids;
      for (const auto& scenario : all) ids.push_back(scenario->id);
      return absl::NotFoundError(fmt::format("'{}' is neither ID nor ID/VARIANT; there are: {}",
                                             name, fmt::join(ids, ", ")));
    }
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const auto& scenario) { return scenario->id == id; });
    if (found == all.end()) return LoadInstalledScenario(id).status();
    Chosen one{found->get(), {}};
    const std::string variant = name.size() > id.size() ? name.substr(id.size() + 1) : "";
    if (absl::Status status = AddVariants(**found, variant, one); !status.ok()) return status;
    chosen.push_back(one);
  }
  return absl::OkStatus();
}

absl::Status LoadOwn(const StressOptions& options, std::vector<std::unique_ptr<Scenario>>& all,
                     std::vector<Chosen>& chosen) {
  const auto image = ResolveImage(options.image);
  if (!image.ok()) return image.status();
  const auto script = ReadText(options.script);
  if (!script.ok()) return absl::InvalidArgumentError(WithOption("--script", script.status()));
  std::optional<NamedText> signature;
  if (!options.signature.empty()) {
    auto text = ReadText(options.signature);
    if (!text.ok()) return absl::InvalidArgumentError(WithOption("--signature", text.status()));
    signature = *std::move(text);
  }
  auto scenario = MakeScenario(options.image, *image, *script, signature);
  if (!scenario.ok()) return scenario.status();
  all.push_back(std::make_unique<Scenario>(*std::move(scenario)));
  chosen.push_back({all.back().get(), {}});
  return AddVariants(*all.back(), "", chosen.back());
}

std::string ListOf(const std::vector<Chosen>& chosen) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const Chosen& one : chosen) {
    for (const Variant* variant : one.variants) {
      lines.emplace_back(one.scenario->id + "/" + variant->name,
                         variant->due ? ToString(*variant->due) : "-");
    }
  }
  return TwoColumns(lines);
}

std::string NameOf(const SuiteRow& row) {
  return row.variant.empty() ? row.id : row.id + "/" + row.variant;
}

void ReportRow(const SuiteRow& row) {
  std::string verdict = row.AsDue() ? (row.due ? ", as due" : "") : ", NOT AS DUE";
  if (row.runs < row.wanted) {
    verdict = fmt::format(", in {} of {} runs", row.runs, row.wanted);
  }
  Say(fmt::format("{}: {}{}{}{}\n", NameOf(row), DescribeSeen(row), verdict,
                  row.why.empty() ? "" : ": ", row.why));
}

// How far it has come, while it goes on.
void ReportProgress(const SuiteResult& suite, const SuiteRow& now, Machine& machine,
                    const Style& style) {
  Say(fmt::format("muster: {}, run {} of {}, for {} so far; {} of {} variants have run\n",
                  NameOf(now), now.runs + 1, now.wanted,
                  FormatDuration(machine.NowNs() - machine.start_ns()), suite.rows.size(),
                  suite.wanted));
  if (!suite.rows.empty()) Say(RenderSuite(suite.rows, style));
}

// Does what the signals ask that came; the name of one that ends it all, "" where none does.
std::string Heed(Signals& signals, Machine& machine, const std::function<void()>& show_progress) {
  RawTerminal none(-1);
  while (const std::optional<Signals::Taken> signal = signals.Take()) {
    switch (signal->number) {
      case SIGTSTP:
        StopUntilContinued(machine, none);
        break;
      case SIGCONT:
        break;
      case SIGQUIT:
        show_progress();
        break;
      default:
        signals.LetKill();
        return Signals::NameOf(*signal);
    }
  }
  return "";
}

}  // namespace

int StressCommand(const StressOptions& options) {
  std::vector<std::unique_ptr<Scenario>> all;
  std::vector<Chosen> chosen;
  const absl::Status loaded =
      options.suite ? LoadSuite(options.names, all, chosen) : LoadOwn(options, all, chosen);
  if (!loaded.ok()) {
    return Refuse(options.suite && absl::IsNotFound(loaded) ? kExitUsage : kExitImage, loaded);
  }
  if (options.list) return PutOut(ListOf(chosen), kExitClean);
  ReportFile json("--json");
  DistinctFiles distinct;
  for (const auto& scenario : all) distinct.Reads("the image", scenario->image_name);
  distinct.Reads("--script", options.script);
  distinct.Reads("--signature", options.signature);
  absl::Status written = json.Open(options.json);
  if (written.ok()) written = distinct.Writes("--json", json.fd());
  if (!written.ok()) return Refuse(kExitUsage, written);

  const auto system = vcpu::System::Open(KvmDevice());
  if (!system.ok()) return RefuseWithoutKvm(system.status());
  if (const absl::Status status = json.Begin(); !status.ok()) {
    return Refuse(kExitHostFailure, status);
  }
  Signals signals;
  const Style style = StyleFor(STDERR_FILENO);
  SuiteRequest request;
  request.runs = options.runs;
  request.timeout_ns = options.timeout_ns;
  request.explain = !options.suite || !options.names.empty();
  SuiteResult suite;
  for (const Chosen& one : chosen) suite.wanted += one.variants.size();
  request.fd = signals.fd();
  request.heed = [&](Machine& machine, const SuiteRow& row) {
    if (suite.interrupted.empty()) {
      suite.interrupted =
          Heed(signals, machine, [&] { ReportProgress(suite, row, machine, style); });
    }
    return suite.interrupted;
  };
  request.explained = [&](const Scenario& scenario, const Variant& variant, const RunRecord& record,
                          const Judgement& judgement) {
    Say(Explain(scenario, variant, record, judgement, style));
  };

  std::vector<const Scenario*> others;
  others.reserve(all.size());
  for (const auto& scenario : all) others.push_back(scenario.get());
  for (const Chosen& one : chosen) {
    for (const Variant* variant : one.variants) {
      if (!suite.interrupted.empty()) break;
      auto row = RunVariant(*system, *one.scenario, *variant, others, request);
      if (!row.ok()) return Refuse(kExitHostFailure, row.status());
      if (row->runs == 0) continue;
      ReportRow(*row);
      suite.rows.push_back(*std::move(row));
    }
  }
  if (!suite.interrupted.empty()) {
    const auto whole = std::count_if(suite.rows.begin(), suite.rows.end(),
                                     [](const SuiteRow& row) { return row.runs == row.wanted; });
    Say(fmt::format("muster: stopped by {}; {} of {} variants had run\n", suite.interrupted, whole,
                    suite.wanted));
  }
  if (!suite.rows.empty()) Say(fmt::format("\n{}", RenderSuite(suite.rows, style)));
  if (json.wanted()) {
    const absl::Status status = json.Put(ToJson(suite));
    if (!status.ok()) return Refuse(kExitHostFailure, status);
  }
  if (!suite.interrupted.empty()) return kExitInterrupted;
  return suite.AsDue() ? kExitClean : kExitNotAsDue;
}

}  // namespace muster::vmm
