// The one file that includes nlohmann-json.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <muster/vmm/report/json.h>
#include <muster/vmm/report/last_events.h>
#include <muster/vmm/report/vcpu_text.h>

namespace muster::vmm {
namespace {

using Json = nlohmann::ordered_json;

std::string Hex(uint64_t value) { return fmt::format("{:#x}", value); }

Json OfCounters(const vcpu::Counters& c) {
  return {
      {"entries", c.entries},
      {"port_exits", c.port_exits},
      {"mmio_exits", c.mmio_exits},
      {"msr_exits", c.msr_exits},
      {"hlt_exits", c.hlt_exits},
      {"window_exits", c.window_exits},
      {"tpr_exits", c.tpr_exits},
      {"debug_exits", c.debug_exits},
      {"interrupted", c.interrupted},
      {"other_exits", c.other_exits},
      {"apic_accesses", c.apic_accesses},
      {"ipis_sent", c.ipis_sent},
      {"mail_accepted", c.mail_accepted},
      {"mail_merged", c.mail_merged},
      {"mail_deferrals", c.mail_deferrals},
      {"mail_discarded", c.mail_discarded},
      {"injected", c.injected},
      {"nmis_injected", c.nmis_injected},
      {"extints_injected", c.extints_injected},
      {"extints_discarded", c.extints_discarded},
      {"timer_expiries", c.timer_expiries},
      {"inits", c.inits},
      {"startups", c.startups},
      {"startups_dropped", c.startups_dropped},
      {"smis_dropped", c.smis_dropped},
      {"meetings", c.meetings},
      {"parks", c.parks},
      {"kicks", c.kicks},
      {"stray_kicks", c.stray_kicks},
  };
}

Json OfCounters(const apic::LapicCounters& c) {
  return {
      {"accepted", c.accepted},
      {"merged", c.merged},
      {"discarded", c.discarded},
      {"illegal_vectors", c.illegal_vectors},
      {"unsent_ipis", c.unsent_ipis},
      {"smis", c.smis},
      {"merged_periods", c.merged_periods},
      {"odd_accesses", c.odd_accesses},
  };
}

Json OfCounters(const apic::IoApicCounters& c) {
  return {
      {"messages", c.messages}, {"lost_edges", c.lost_edges},     {"unaccepted", c.unaccepted},
      {"unsent", c.unsent},     {"odd_accesses", c.odd_accesses},
  };
}

Json OfRegisters(const vcpu::Inspection& vcpu) {
  constexpr const char* kNames[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                    "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
  Json registers = {{"rip", Hex(vcpu.rip)},           {"rflags", Hex(vcpu.rflags)},
                    {"cr0", Hex(vcpu.cr0)},           {"cr2", Hex(vcpu.cr2)},
                    {"cr3", Hex(vcpu.cr3)},           {"cr4", Hex(vcpu.cr4)},
                    {"cr8", Hex(vcpu.cr8)},           {"efer", Hex(vcpu.efer)},
                    {"cs", Hex(vcpu.cs_selector)},    {"cs_base", Hex(vcpu.cs_base)},
                    {"gdt_base", Hex(vcpu.gdt_base)}, {"gdt_limit", Hex(vcpu.gdt_limit)},
                    {"idt_base", Hex(vcpu.idt_base)}, {"idt_limit", Hex(vcpu.idt_limit)}};
  for (size_t i = 0; i < vcpu.gpr.size(); ++i) registers[kNames[i]] = Hex(vcpu.gpr[i]);
  return registers;
}

Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json OfEvents(const std::vector<vcpu::Event>& events, uint64_t start_ns) {
  Json json = Json::array();
  for (const vcpu::Event& event : events) {
    json.push_back({{"ns", event.ns - start_ns},
                    {"kind", vcpu::ToString(event.kind)},
                    {"what", DescribeEvent(event)}});
  }
  return json;
}

Json OfFault(const GuestFault& fault, const RunReport& report) {
  Json json = {{"cpu", fault.cpu},
               {"kind", ToString(fault.kind)},
               {"detail", Hex(fault.detail)},
               {"rip", Hex(fault.rip)}};
  json["symbol"] = OrNull(report.symbols.Name(report.AddressOf(fault)));
  json["line"] = OrNull(report.Line(report.AddressOf(fault)));
  json["bytes"] = fault.bytes;
  json["no_code"] = fault.no_code;
  return json;
}

Json OfVcpu(const vcpu::Inspection& vcpu, const RunReport& report) {
  Json json = {{"cpu", vcpu.cpu}, {"apic_id", vcpu.apic_id}, {"state", vcpu::ToString(vcpu.state)}};
  json["registers"] = vcpu.registers_known ? OfRegisters(vcpu) : Json(nullptr);
  const uint64_t address = vcpu.linear_rip();
  json["symbol"] = OrNull(vcpu.registers_known ? report.symbols.Name(address) : "");
  json["line"] = OrNull(vcpu.registers_known ? report.Line(address) : "");
  const GuestFault* const fault = report.FaultOf(vcpu.cpu);
  json["fault"] = fault != nullptr ? OfFault(*fault, report) : Json(nullptr);
  // In words, for people; null where it waits for nothing.
  const std::string wait =
      fault != nullptr ? "nothing: it crashed" : DescribeWait(vcpu, report.now_ns);
  json["waits_for"] = OrNull(wait == "-" ? "" : wait);
  json["apic"] = {
      {"enabled", vcpu.apic_enabled},
      {"software_enabled", vcpu.apic_software_enabled},
      {"x2apic", vcpu.x2apic},
      {"tpr", vcpu.tpr},
      {"ppr", vcpu.ppr},
      {"irr", vcpu.irr},
      {"isr", vcpu.isr},
      {"mailbox", vcpu.mailbox},
      {"nmi_pending", vcpu.nmi_pending},
      {"extint_accepted", vcpu.extint_accepted},
      {"extint_pending", vcpu.extint_pending},
  };
  // From the start, like the times of events.
  json["timer_deadline_ns"] =
      vcpu.timer_deadline_ns ? Json(*vcpu.timer_deadline_ns - report.start_ns) : Json(nullptr);
  json["counters"] = OfCounters(vcpu.counters);
  json["lapic_counters"] = OfCounters(vcpu.lapic_counters);
  json["last_events"] = OfEvents(vcpu.last_events, report.start_ns);
  return json;
}

Json OfAccesses(const std::vector<AccessCounts::Row>& rows) {
  Json json = Json::array();
  for (const AccessCounts::Row& row : rows) {
    json.push_back({{"address", Hex(row.address)}, {"reads", row.reads}, {"writes", row.writes}});
  }
  return json;
}

Json OfPins(const std::vector<WaitingPin>& pins) {
  Json json = Json::array();
  for (const WaitingPin& pin : pins) {
    json.push_back({{"pin", pin.pin},
                    {"vector", pin.vector},
                    {"held_by", pin.holders},
                    {"stuck", pin.holders.empty()}});
  }
  return json;
}

}  // namespace

std::string ToJson(const RunReport& report) {
  Json json = {{"schema", 1},
               {"image", report.image},
               {"format", report.format},
               {"cpus", report.cpus},
               {"memory_bytes", report.memory_bytes},
               {"wall_ns", report.wall_ns()}};
  if (report.ending) {
    const Ending& ending = *report.ending;
    json["outcome"] = ToString(ending.kind);
    json["detail"] = ending.detail;
    json["exit_status"] = ExitStatusOf(ending);
    json["guest_value"] =
        ending.kind == Ending::Kind::kGuestExit ? Json(ending.guest_value) : Json(nullptr);
    json["fault"] = ending.fault ? OfFault(*ending.fault, report) : Json(nullptr);
  }
  json["vcpus"] = Json::array();
  for (const vcpu::Inspection& vcpu : report.vcpus) {
    json["vcpus"].push_back(OfVcpu(vcpu, report));
  }
  json["pins_awaiting_eoi"] = OfPins(report.pins);
  json["ioapic_counters"] = OfCounters(report.ioapic_counters);
  json["restarts"] = report.restarts;
  json["wake_ups"] = {{"supervisor", report.wake_ups.supervisor},
                      {"timer", report.wake_ups.timer},
                      {"input", report.wake_ups.input},
                      {"output", report.wake_ups.output}};
  json["unknown_ports"] = OfAccesses(report.unknown_ports);
  json["unknown_addresses"] = OfAccesses(report.unknown_addresses);
  json["unknown_msrs"] = OfAccesses(report.unknown_msrs);
  json["other_accesses"] = {{"ports", report.other_ports},
                            {"addresses", report.other_addresses},
                            {"msrs", report.other_msrs}};
  // Names come from the image and the command line, and need not be UTF-8.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string ToJson(const Diagnosis& diagnosis) {
  constexpr const char* kVerdicts[] = {"yes", "no", "note"};
  Json json = {{"schema", 1}, {"can_run", diagnosis.CanRun()}, {"findings", Json::array()}};
  for (const Finding& f : diagnosis.findings) {
    json["findings"].push_back({{"id", f.id},
                                {"verdict", kVerdicts[static_cast<size_t>(f.verdict)]},
                                {"what", f.what},
                                {"value", f.value},
                                {"mend", f.mend}});
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string ToJson(const SuiteResult& suite) {
  Json scenarios = Json::array();
  for (const SuiteRow& row : suite.rows) {
    scenarios.push_back({{"id", row.id},
                         {"variant", row.variant},
                         {"due", row.due ? Json(ToString(*row.due)) : Json(nullptr)},
                         {"seen", DescribeSeen(row)},
                         {"as_due", row.AsDue()},
                         {"runs", row.runs},
                         {"runs_wanted", row.wanted},
                         {"outcomes", row.seen},
                         {"wall_ns", row.wall_ns},
                         {"why", row.why},
                         {"gates", row.gates}});
  }
  const Json json = {{"schema", 1},
                     {"as_due", suite.AsDue()},
                     {"interrupted", !suite.interrupted.empty()},
                     {"variants_wanted", suite.wanted},
                     {"scenarios", scenarios}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace muster::vmm
