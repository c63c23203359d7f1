#include <fmt/format.h>
#include <fmt/ranges.h>

#include <muster/vmm/report/activity.h>
#include <muster/vmm/report/last_events.h>
#include <muster/vmm/report/losses.h>
#include <muster/vmm/report/run_text.h>
#include <muster/vmm/report/timeline.h>
#include <muster/vmm/report/vcpu_text.h>

namespace muster::vmm {
namespace {

constexpr size_t kMostUnknown = 8;

std::string DescribeEnding(const RunReport& report) {
  const Ending& ending = *report.ending;
  switch (ending.kind) {
    case Ending::Kind::kPowerOff:
      return fmt::format("the guest powered off ({})", ending.detail);
    case Ending::Kind::kReset:
      return fmt::format("the guest reset the machine, which ends a run ({})", ending.detail);
    case Ending::Kind::kGuestExit:
      return fmt::format("the guest wrote {} to the {}: exit status {}{}", ending.guest_value,
                         ending.detail, ExitStatusOf(ending),
                         IsTruncated(ending) ? ", which is cut down to 8 bits" : "");
    case Ending::Kind::kGuestCrash:
      return fmt::format("the guest crashed on cpu {}: {}", ending.fault ? ending.fault->cpu : -1,
                         ending.detail);
    case Ending::Kind::kNoProgress:
      return "no CPU can ever run again: all sleep, and nothing is on its way to any of them";
    case Ending::Kind::kTimeout:
      return fmt::format("the guest had not ended when its time was up ({})", ending.detail);
    case Ending::Kind::kInterrupted:
      return fmt::format("stopped by {}", ending.detail);
    case Ending::Kind::kOutputLost:
      return fmt::format("ended, for the guest's output can't be written: {}", ending.detail);
    case Ending::Kind::kHostFailure:
      return fmt::format("the host failed: {}", ending.detail);
    case Ending::Kind::kDefect:
      return fmt::format("a bug of muster: {}", ending.detail);
  }
  return "?";
}

std::string RenderFault(const RunReport& report, const GuestFault& fault) {
  const uint64_t address = report.AddressOf(fault);
  const std::string name = report.symbols.Name(address);
  const std::string line = report.Line(address);
  std::string text =
      fmt::format("  at {:#x}{}{}\n", address, name.empty() ? "" : fmt::format(" ({})", name),
                  line.empty() ? "" : ", " + line);
  if (!fault.bytes.empty()) {
    text += fmt::format("  code there: {:02x}\n", fmt::join(fault.bytes, " "));
  }
  if (const vcpu::Inspection* vcpu = report.Find(fault.cpu)) {
    text += RenderRegisters(*vcpu);
    if (fault.kind == vcpu::GuestFaultExit::Kind::kTripleFault && vcpu->registers_known &&
        vcpu->idt_limit == 0) {
      text += "  The IDT's limit is 0: no exception can be delivered.\n";
    }
  }
  return text + "\n";
}

std::string RenderUnknown(const char* what, const std::vector<AccessCounts::Row>& rows,
                          uint64_t others) {
  if (rows.empty()) return "";
  std::string text = fmt::format("  {} that nobody serves:", what);
  for (size_t i = 0; i < std::min(rows.size(), kMostUnknown); ++i) {
    text += fmt::format("{} {:#x} ({}r {}w)", i ? "," : "", rows[i].address, rows[i].reads,
                        rows[i].writes);
  }
  if (rows.size() > kMostUnknown) text += fmt::format(" and {} more", rows.size() - kMostUnknown);
  if (others != 0) text += fmt::format("; {} accesses to still others", others);
  return text + "\n";
}

}  // namespace

std::string RenderHeadline(const RunReport& report, const Style& style) {
  if (!report.ending) {
    return fmt::format("muster: {}: running for {}\n", report.image,
                       FormatDuration(report.wall_ns()));
  }
  if (report.ending->kind == Ending::Kind::kPowerOff) return "";
  const bool clean = ExitStatusOf(*report.ending) == kExitClean;
  return style.Paint(clean ? Colour::kNone : Colour::kBold,
                     fmt::format("muster: {}: {}", report.image, DescribeEnding(report))) +
         fmt::format(" (after {})\n", FormatDuration(report.wall_ns()));
}

std::string RenderReport(const RunReport& report, const Style& style) {
  std::string text = RenderHeadline(report, style);
  if (report.ending && report.ending->fault) text += RenderFault(report, *report.ending->fault);
  text += RenderVcpus(report, style);
  text += RenderPins(report.pins);
  text += RenderLosses(report);
  text += RenderUnknown("ports", report.unknown_ports, report.other_ports);
  text += RenderUnknown("addresses", report.unknown_addresses, report.other_addresses);
  text += RenderUnknown("MSRs", report.unknown_msrs, report.other_msrs);
  return text + RenderLastEvents(report, style);
}

std::string RenderStats(const RunReport& report, const Style& style) {
  std::string text;
  if (const std::string timeline = RenderTimeline(report, style); !timeline.empty()) {
    text += "\n" + style.Paint(Colour::kBold, "The CPUs coming up") + "\n" + timeline;
  }
  text += "\n" + style.Paint(Colour::kBold, "What each of them did") +
          fmt::format(" ({}, {})\n", FormatDuration(report.wall_ns()), report.image);
  return text + RenderActivity(report, style) + RenderLosses(report);
}

}  // namespace muster::vmm
