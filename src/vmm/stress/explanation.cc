#include <algorithm>
#include <fmt/format.h>

#include <muster/vmm/report/text_table.h>
#include <muster/vmm/report/vcpu_text.h>
#include <muster/vmm/stress/explanation.h>
#include <muster/vmm/stress/steps.h>

namespace muster::vmm {
namespace {

constexpr size_t kMostSteps = 80;

// Addresses of code for a reader.
class Places {
 public:
  Places(const Scenario& scenario, const std::vector<uint64_t>& addresses)
      : symbols_(scenario.symbols), lines_(ReadSourceLines(scenario.bytes(), addresses)) {}

  // Without what the compiler adds to a copy of its own.
  std::string FunctionAt(uint64_t address) const {
    const std::string name = symbols_.Name(address);
    return name.substr(0, name.find_first_of("+."));
  }
  // "smp_rendezvous.h:71", or the address.
  std::string LineAt(uint64_t address) const {
    if (address == 0) return "";
    const auto line = lines_.find(address);
    return line == lines_.end() ? fmt::format("{:x}", address) : line->second;
  }

 private:
  const SymbolTable& symbols_;
  const SourceLines lines_;
};

std::string RenderSteps(const std::vector<Step>& steps, int cpus, const Places& places,
                        const Style& style) {
  std::vector<TextTable::Column> columns = {{"", TextTable::Align::kRight}};
  for (int cpu = 0; cpu < cpus; ++cpu) columns.push_back({fmt::format("CPU {}", cpu)});
  columns.push_back({.title = "LINE", .keeps_end = true});
  columns.push_back({"IN"});
  TextTable table(std::move(columns));
  const size_t first = steps.size() > kMostSteps ? steps.size() - kMostSteps : 0;
  for (size_t i = first; i < steps.size(); ++i) {
    const Step& step = steps[i];
    std::vector<std::string> cells(static_cast<size_t>(cpus) + 3);
    cells[0] = fmt::format("{}", i + 1);
    cells[static_cast<size_t>(step.cpu) + 1] = step.what;
    cells[cells.size() - 2] = places.LineAt(step.rip);
    cells.back() = places.FunctionAt(step.rip);
    table.AddRow(std::move(cells),
                 step.what.find("held") != std::string::npos ? Colour::kYellow : Colour::kNone);
  }
  return table.Render(style);
}

std::string Wanted(const DeclaredWait& wait) {
  switch (wait.relation) {
    case DeclaredWait::Relation::kEqual:
      return fmt::format("{}", wait.wanted);
    case DeclaredWait::Relation::kAtLeast:
      return fmt::format(">= {}", wait.wanted);
    case DeclaredWait::Relation::kDiffers:
      return fmt::format("not {}", wait.wanted);
    case DeclaredWait::Relation::kBitsClear:
      return fmt::format("{:#x} clear", wait.wanted);
  }
  return "?";
}

// In the IRR and in the mailbox alike: it is owed to the guest.
std::string Pending(const vcpu::Inspection& vcpu) {
  std::vector<uint8_t> all = vcpu.irr;
  all.insert(all.end(), vcpu.mailbox.begin(), vcpu.mailbox.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return DescribeVectors(all);
}

std::string RenderWaits(const FinalState& state, const Places& places, const Style& style) {
  TextTable table({{"CPU", TextTable::Align::kRight},
                   {"DOES"},
                   {.title = "LINE", .keeps_end = true},
                   {"IN"},
                   {.title = "WAITS FOR", .keeps_end = true, .shrinks_last = true},
                   {"IS", TextTable::Align::kRight},
                   {"WANTED"},
                   {"IF"},
                   {"SERVES"},
                   {"OWED"}});
  for (const vcpu::Inspection& vcpu : state.vcpus) {
    const auto found = state.waits.find(vcpu.cpu);
    const bool waits = found != state.waits.end() && found->second;
    uint64_t at = vcpu.registers_known ? vcpu.linear_rip() : 0;
    std::string does = vcpu::ToString(vcpu.state), what, value, wanted;
    if (waits) {
      const DeclaredWait& wait = *found->second;
      const auto now = state.Load(wait.address, wait.size);
      if (!wait.halts) does = "spins";
      at = wait.site;
      what = NameOf(state, wait.address);
      value = now ? fmt::format("{}", *now) : "?";
      wanted = Wanted(wait);
    }
    const char* const flag = !vcpu.registers_known ? "?" : vcpu.interrupts_on() ? "1" : "0";
    table.AddRow({fmt::format("{}", vcpu.cpu), does, places.LineAt(at), places.FunctionAt(at), what,
                  value, wanted, flag, DescribeVectors(vcpu.isr), Pending(vcpu)});
  }
  return table.Render(style);
}

std::string Headline(const Scenario& scenario, const Variant& variant, const RunRecord& record,
                     const Judgement& judgement, const Style& style) {
  const std::string name = variant.name.empty() ? scenario.id : scenario.id + "/" + variant.name;
  std::string text = fmt::format("{}: {} after {}", name,
                                 judgement.outcome ? ToString(*judgement.outcome) : "error",
                                 FormatDuration(record.wall_ns));
  if (!judgement.why.empty()) text += ": " + judgement.why;
  return style.Paint(Colour::kBold, text) + "\n";
}

}  // namespace

std::string Explain(const Scenario& scenario, const Variant& variant, const RunRecord& record,
                    const Judgement& judgement, const Style& style) {
  const std::vector<Step> steps = StepsOf(variant, record);
  std::vector<uint64_t> addresses;
  for (const Step& step : steps) addresses.push_back(step.rip);
  for (const vcpu::Inspection& vcpu : record.state.vcpus) addresses.push_back(vcpu.linear_rip());
  for (const auto& [cpu, wait] : record.state.waits) {
    if (wait) addresses.push_back(wait->site);
  }
  const Places places(scenario, addresses);

  std::string text = "\n" + Headline(scenario, variant, record, judgement, style);
  if (!steps.empty()) {
    text += record.arrivals.empty() ? "\nWhat happened last: no CPU came to a gate\n"
                                    : "\nWhat happened, from the first gate on\n";
    text += RenderSteps(steps, scenario.script.cpus, places, style);
  }
  if (record.ending.kind != Ending::Kind::kPowerOff) {
    text += fmt::format("\nWho waits for what{}\n",
                        record.state.deadlock ? ": none of them can ever go on" : "");
    text += RenderWaits(record.state, places, style);
  }
  if (!judgement.outcome && !record.output.empty()) {
    text += "\nThe guest's output\n" + record.output;
    if (!record.output.ends_with('\n')) text += "\n";
  }
  return text + "\n";
}

}  // namespace muster::vmm
