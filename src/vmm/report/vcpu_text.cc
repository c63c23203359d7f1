#include <fmt/format.h>
#include <fmt/ranges.h>
#include <iterator>
#include <map>

#include <muster/vmm/report/text_table.h>
#include <muster/vmm/report/vcpu_text.h>

namespace muster::vmm {
namespace {

using vcpu::Inspection;
using vcpu::RunState;

constexpr size_t kMostRows = 40;
constexpr size_t kMostVectors = 2;

Colour ColourOf(RunState state) {
  switch (state) {
    case RunState::kRunning:
      return Colour::kGreen;
    case RunState::kOffline:
      return Colour::kRed;
    default:
      return Colour::kNone;
  }
}

std::vector<std::string> Cells(const Inspection& vcpu, const RunReport& report) {
  const GuestFault* const fault = report.FaultOf(vcpu.cpu);
  return {fault != nullptr ? "crashed" : vcpu::ToString(vcpu.state),
          DescribeRip(vcpu, report.symbols),
          vcpu.registers_known ? report.Line(vcpu.linear_rip()) : "",
          vcpu.registers_known ? DescribeFlags(vcpu.rflags) : "?",
          DescribeVectors(vcpu.irr),
          DescribeVectors(vcpu.isr),
          fmt::format("{:02x}", vcpu.ppr),
          fault != nullptr ? fmt::format("- ({})", ToString(fault->kind))
                           : DescribeWait(vcpu, report.now_ns)};
}

std::string Range(int first, int last) {
  return first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
}

bool InterruptsOff(const Inspection& vcpu) { return vcpu.registers_known && !vcpu.interrupts_on(); }

}  // namespace

std::string DescribeHeld(const Inspection& vcpu) {
  if (vcpu.irr.empty()) {
    return vcpu.extint_pending && InterruptsOff(vcpu) ? "ExtINT held by IF" : "";
  }
  const std::string held = DescribeVectors(vcpu.irr) + " held by ";
  if (InterruptsOff(vcpu)) return held + "IF";
  if (!vcpu.apic_software_enabled) return held + "SVR";
  // SDM "Task and Processor Priorities": a class passes that is above the PPR's.
  const int waiting = vcpu.irr.back() >> 4;
  if (waiting > vcpu.ppr >> 4) return "";
  if (!vcpu.isr.empty() && vcpu.isr.back() >> 4 >= waiting) {
    return held + fmt::format("ISR {:02x}, no EOI yet", vcpu.isr.back());
  }
  return held + fmt::format("TPR {:02x}", vcpu.tpr);
}

std::string DescribeFlags(uint64_t rflags) {
  // SDM "EFLAGS Register".
  constexpr std::pair<int, const char*> kFlags[] = {{9, "IF"}, {0, "CF"},  {2, "PF"},  {6, "ZF"},
                                                    {7, "SF"}, {10, "DF"}, {11, "OF"}, {8, "TF"}};
  std::string text;
  for (const auto& [bit, name] : kFlags) {
    if (rflags >> bit & 1) text += (text.empty() ? "" : " ") + std::string(name);
  }
  return text.empty() ? "-" : text;
}

std::string DescribeVectors(const std::vector<uint8_t>& list) {
  if (list.empty()) return "-";
  const size_t shown = std::min(list.size(), kMostVectors);
  // The highest are next.
  std::string text =
      fmt::format("{:02x}", fmt::join(list.end() - static_cast<ptrdiff_t>(shown), list.end(), " "));
  if (list.size() > shown) text += fmt::format(" +{}", list.size() - shown);
  return text;
}

std::string DescribeWait(const Inspection& vcpu, uint64_t now_ns) {
  const std::string held = DescribeHeld(vcpu);
  if (vcpu.held) return "being let go from a gate" + (held.empty() ? "" : "; " + held);
  switch (vcpu.state) {
    case RunState::kRunning:
      if (!held.empty()) return held;
      // One that spins so can be reached by nobody.
      return InterruptsOff(vcpu) ? "- (IF is 0)" : "-";
    case RunState::kOffline:
      return "nothing: it is off";
    case RunState::kWaitForSipi:
      return "INIT, SIPI";
    case RunState::kHalted:
      break;
  }
  if (vcpu.deliverable || !vcpu.mailbox.empty()) return "nothing: about to wake";
  const std::string besides = held.empty() ? "" : "; " + held;
  if (InterruptsOff(vcpu)) return "NMI or INIT (IF is 0)" + besides;
  if (!vcpu.apic_software_enabled && !vcpu.extint_accepted) {
    return "NMI or INIT (APIC disabled)" + besides;
  }
  if (vcpu.timer_deadline_ns) {
    const uint64_t deadline = *vcpu.timer_deadline_ns;
    const double ms = deadline > now_ns ? static_cast<double>(deadline - now_ns) / 1e6 : 0;
    return fmt::format("its timer, in {:.1f} ms{}", ms, besides);
  }
  return "an interrupt" + besides;
}

std::string DescribeRip(const Inspection& vcpu, const SymbolTable& symbols) {
  if (!vcpu.registers_known) return "?";
  // In real mode and the like symbols are of linear addresses.
  const std::string name = symbols.Name(vcpu.linear_rip());
  std::string rip = vcpu.cs_base == 0 ? fmt::format("{:x}", vcpu.rip)
                                      : fmt::format("{:04x}:{:04x}", vcpu.cs_selector, vcpu.rip);
  return name.empty() ? rip : rip + " " + name;
}

std::string RenderVcpus(const RunReport& report, const Style& style) {
  using Align = TextTable::Align;
  TextTable table({{"CPU", Align::kRight},
                   {"STATE", Align::kLeft},
                   {"RIP", Align::kLeft, 32},
                   {report.lines.empty() ? "" : "LINE", Align::kLeft, 24, /*keeps_end=*/true},
                   {"FLAGS", Align::kLeft, 11},
                   {"IRR", Align::kLeft, 10},
                   {"ISR", Align::kLeft, 10},
                   {"PPR", Align::kLeft},
                   {"WAITS FOR", Align::kLeft, 44}});
  std::map<std::string, int> left_out;  // by state
  size_t rows = 0;
  for (size_t i = 0; i < report.vcpus.size();) {
    const Inspection& first = report.vcpus[i];
    const std::vector<std::string> cells = Cells(first, report);
    size_t end = i + 1;
    while (end < report.vcpus.size() && report.vcpus[end].cpu == report.vcpus[end - 1].cpu + 1 &&
           Cells(report.vcpus[end], report) == cells) {
      ++end;
    }
    if (rows < kMostRows) {
      std::vector<std::string> row = {Range(first.cpu, report.vcpus[end - 1].cpu)};
      row.insert(row.end(), cells.begin(), cells.end());
      table.AddRow(std::move(row), ColourOf(first.state));
      ++rows;
    } else {
      left_out[vcpu::ToString(first.state)] += static_cast<int>(end - i);
    }
    i = end;
  }
  std::string text = table.Render(style);
  if (!left_out.empty()) {
    text += "  and";
    for (const auto& [state, count] : left_out) text += fmt::format(" {} {},", count, state);
    text.back() = '\n';
  }
  const size_t missing = static_cast<size_t>(report.cpus) - report.vcpus.size();
  if (missing > 0) text += fmt::format("  {} vCPUs did not answer in time\n", missing);
  return text;
}

std::string RenderRegisters(const Inspection& vcpu) {
  if (!vcpu.registers_known) return "  (this KVM did not keep the registers)\n";
  constexpr const char* kNames[] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                    "R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15"};
  const bool is_64 = vcpu.long_mode();
  std::string text;
  for (size_t i = 0; i < (is_64 ? vcpu.gpr.size() : 8); ++i) {
    text += fmt::format("  {:>3} {:0{}x}", kNames[i], vcpu.gpr[i], is_64 ? 16 : 8);
    if (i % 4 == 3) text += '\n';
  }
  text +=
      fmt::format("  CR0 {:x}  CR2 {:x}  CR3 {:x}  CR4 {:x}  EFER {:x}  RFLAGS {:x}  CS {:04x}\n",
                  vcpu.cr0, vcpu.cr2, vcpu.cr3, vcpu.cr4, vcpu.efer, vcpu.rflags, vcpu.cs_selector);
  text += fmt::format("  GDTR {:x} limit {:x}  IDTR {:x} limit {:x}\n", vcpu.gdt_base,
                      vcpu.gdt_limit, vcpu.idt_base, vcpu.idt_limit);
  return text;
}

}  // namespace muster::vmm
