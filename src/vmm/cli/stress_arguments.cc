#include <algorithm>

#include <muster/vmm/cli/argument_checks.h>
#include <muster/vmm/cli/help_pages.h>
#include <muster/vmm/cli/quantity.h>
#include <muster/vmm/cli/stress_arguments.h>
#include <muster/vmm/stress/scenario.h>

namespace muster::vmm {
namespace {

constexpr int kMostRuns = 1'000'000;
constexpr int kRunsOfSuite = 10;

absl::StatusOr<int> ParseRuns(const std::string& text) { return ParseCount(text, kMostRuns); }

}  // namespace

StressArguments::StressArguments(CLI::App& command) {
  command.footer(kStressExamples);
  command.add_option("WHAT", words_, "with --suite scenarios, ID or ID/VARIANT; else the image");
  command.add_flag("--suite", stress_.suite, "the scenarios that come with muster");
  command.add_flag("--list", stress_.list, "with --suite: name them, and run none");
  script_ = command.add_option("--script", stress_.script, "who is held until who has come where")
                ->type_name("FILE")
                ->check(FileName());
  signature_ = command.add_option("--signature", stress_.signature, "how the harm looks")
                   ->type_name("FILE")
                   ->check(FileName());
  runs_ = AddParsed(command, "--runs", ParseRuns, stress_.runs,
                    "of each variant; 10 with --suite, else 1")
              ->type_name("N");
  AddParsed(command, "--timeout", ParseDuration, stress_.timeout_ns,
            "of each run, which is an error then; 60s unless told")
      ->type_name("TIME");
  command
      .add_option("--json", stress_.json, "write an object for each id and variant; - is stdout")
      ->type_name("FILE")
      ->check(FileNameOrStdout());
}

absl::StatusOr<StressOptions> StressArguments::Finish() const {
  const auto refuse = [](const std::string& what) { return absl::InvalidArgumentError(what); };
  StressOptions stress = stress_;
  if (stress.suite) {
    if (*script_ || *signature_) {
      return refuse("--suite has scripts and signatures of its own: leave them out");
    }
    stress.names = words_;
    if (!*runs_) stress.runs = kRunsOfSuite;
    return stress;
  }
  if (stress.list) return refuse("--list goes with --suite");
  if (words_.size() != 1) return refuse("stress takes --suite, or one IMAGE");
  if (!*script_) {
    const std::vector<std::string> ids = InstalledScenarios();
    const bool is_id = std::count(ids.begin(), ids.end(), words_.front()) != 0;
    return refuse("stress IMAGE needs --script FILE" +
                  (is_id ? "; that scenario: stress --suite " + words_.front() : ""));
  }
  stress.image = words_.front();
  return stress;
}

}  // namespace muster::vmm
