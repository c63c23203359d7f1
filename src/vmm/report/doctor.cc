#include <algorithm>
#include <fmt/format.h>
#include <sys/resource.h>

#include <muster/vcpu/kvm/host_traits.h>
#include <muster/vcpu/kvm/system.h>
#include <muster/vmm/report/doctor.h>
#include <muster/vmm/report/text_table.h>

namespace muster::vmm {
namespace {

using Verdict = Finding::Verdict;

constexpr int kApiVersion = 12;
constexpr size_t kMostInCell = 24;
constexpr const char* kNested = "run on an emulated machine: ./dev nested -- COMMAND";

// A status of vcpu::System as a finding: the mend is what follows its first ';'.
Finding Unusable(std::string id, std::string what, const absl::Status& status) {
  const std::string message(status.message());
  const size_t end = message.find("; ");
  const std::string mend = end == std::string::npos ? "" : message.substr(end + 2) + "; or ";
  return {std::move(id), Verdict::kNo, std::move(what), message.substr(0, end), mend + kNested};
}

Verdict YesNo(bool yes) { return yes ? Verdict::kYes : Verdict::kNo; }

void LookAtLimits(int max_vcpus, std::vector<Finding>& findings) {
  // Descriptors that are not vCPUs': what muster run has open with a socket, its client, --json and
  // --trace.
  constexpr rlim_t kOthers = 15;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t room = limit.rlim_max > kOthers ? limit.rlim_max - kOthers : 0;
  const auto vcpus = static_cast<int>(std::min<rlim_t>(room, static_cast<rlim_t>(max_vcpus)));
  findings.push_back(
      {"vcpus", vcpus > 0 ? Verdict::kNote : Verdict::kNo, "vCPUs in a guest",
       fmt::format("{} (KVM {}, open files {})", vcpus, max_vcpus, limit.rlim_max),
       vcpus < max_vcpus ? "ulimit -Hn, or nofile in /etc/security/limits.conf" : ""});
}

void LookAtTraits(const vcpu::System& system, std::vector<Finding>& findings) {
  const absl::StatusOr<vcpu::HostTraits> traits = vcpu::ProbeHost(system);
  if (!traits.ok()) {
    findings.push_back(Unusable("probe", "a VM runs a few instructions", traits.status()));
    return;
  }
  findings.push_back({"probe", Verdict::kYes, "a VM runs a few instructions", "yes", ""});
  const bool exact = traits->exact_windows;
  findings.push_back(
      {"execution", Verdict::kNote, "guest code",
       exact ? "runs on the processor" : "is emulated, instruction by instruction",
       exact ? "" : "kernels that use x87, SSE or 32-bit paging are refused: ./dev nested"});
  findings.push_back({"interrupt-windows", Verdict::kNote, "interrupt windows",
                      exact ? "exact" : "batched: found by single steps", ""});
  findings.push_back({"set-tpr", Verdict::kNote, "lowering CR8 exits",
                      traits->set_tpr_exits ? "yes" : "no: looked at now and then", ""});
  findings.push_back({"tsc-deadline", Verdict::kNote, "TSC-deadline mode is offered to guests",
                      traits->tsc_deadline_exits ? "yes" : "no: its MSR does not exit", ""});
}

}  // namespace

bool Diagnosis::CanRun() const {
  return std::none_of(findings.begin(), findings.end(),
                      [](const Finding& f) { return f.verdict == Verdict::kNo; });
}

Diagnosis DiagnoseHost(const std::string& path) {
  Diagnosis diagnosis;
  std::vector<Finding>& findings = diagnosis.findings;
  const vcpu::Survey survey = vcpu::SurveyHost(path);
  if (!survey.opened) {
    findings.push_back(Unusable("device", path + " opens", survey.usable));
    return diagnosis;
  }
  findings.push_back({"device", Verdict::kYes, path + " opens", "yes", ""});
  findings.push_back({"api-version", YesNo(survey.api_version == kApiVersion),
                      fmt::format("KVM API version {}", kApiVersion),
                      survey.api_version < 0 ? "not KVM" : fmt::format("{}", survey.api_version),
                      survey.api_version == kApiVersion ? "" : "name KVM's own device"});
  for (const vcpu::Capability& capability : survey.capabilities) {
    findings.push_back({capability.name, YesNo(capability.present), capability.name,
                        capability.present ? "yes" : "no",
                        capability.present ? "" : "Linux 5.10 or later"});
  }
  if (!diagnosis.CanRun()) return diagnosis;
  const absl::StatusOr<vcpu::System> system = vcpu::System::Open(path);
  if (!system.ok()) {
    findings.push_back(Unusable("limits", "KVM tells its limits", system.status()));
    return diagnosis;
  }
  LookAtTraits(*system, findings);
  LookAtLimits(system->max_vcpus(), findings);
  return diagnosis;
}

std::string RenderDiagnosis(const Diagnosis& diagnosis, const Style& style) {
  TextTable table({{"", TextTable::Align::kLeft, 4},
                   {"WHAT", TextTable::Align::kLeft, 40},
                   {"FOUND", TextTable::Align::kLeft, 60}});
  std::string mends;
  for (const Finding& f : diagnosis.findings) {
    const bool bad = f.verdict == Verdict::kNo;
    // A table may cut its cells. Why guests cannot run is said in full, below it if need be.
    const bool below = bad && f.value.size() > kMostInCell;
    table.AddRow({bad ? "!" : "", f.what, below ? "no" : f.value},
                 bad ? Colour::kRed : Colour::kNone);
    if (!below && f.mend.empty()) continue;
    mends += fmt::format("  {}: {}{}{}\n", f.what, below ? f.value : "",
                         below && !f.mend.empty() ? "; " : "", f.mend);
  }
  std::string text = table.Render(style);
  if (!mends.empty()) text += "\nTo mend, or to know:\n" + mends;
  text += diagnosis.CanRun() ? "\nGuests run here.\n" : "\nGuests cannot run here.\n";
  return text;
}

}  // namespace muster::vmm
