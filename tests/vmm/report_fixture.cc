#include "report_fixture.h"

#include <utility>

namespace muster::vmm::testing {

using vcpu::Event;
using vcpu::EventKind;
using vcpu::Inspection;
using vcpu::RunState;

Inspection Cpu(int cpu, RunState state) {
  Inspection vcpu;
  vcpu.cpu = cpu;
  vcpu.apic_id = static_cast<uint32_t>(cpu);
  vcpu.state = state;
  vcpu.registers_known = state != RunState::kWaitForSipi;
  vcpu.apic_software_enabled = vcpu.registers_known;
  return vcpu;
}

RunReport Report(std::vector<Inspection> vcpus) {
  RunReport report;
  report.image = "img";
  report.format = "ELF32";
  report.cpus = static_cast<int>(vcpus.size());
  report.memory_bytes = 1 << 20;
  report.start_ns = 1000 * kMs;
  report.now_ns = 1010 * kMs;
  report.vcpus = std::move(vcpus);
  report.symbols = SymbolTable({{0x100000, 0x20, "main"}, {0x100020, 0, "idle"}}, 0x101000);
  return report;
}

RunReport Mixed() {
  Inspection running = Cpu(0, RunState::kRunning);
  running.rip = 0x10001c;
  running.rflags = 0x246;
  running.irr = {0x30, 0x31, 0x41, 0xef};
  running.isr = {0x50};
  running.ppr = 0x50;
  Inspection halted = Cpu(1, RunState::kHalted);
  halted.rip = 0x100020;
  halted.rflags = 0x202;
  Inspection timed = halted;
  timed.cpu = 2;
  timed.timer_deadline_ns = 1012 * kMs + kMs / 2;
  return Report({running, halted, timed, Cpu(3, RunState::kWaitForSipi),
                 Cpu(4, RunState::kWaitForSipi), Cpu(5, RunState::kWaitForSipi)});
}

Event At(uint64_t ns, EventKind kind, uint64_t a, uint64_t b) { return {ns, kind, 0, 0, a, b}; }

Event State(uint64_t ns, int cpu, RunState from, RunState to) {
  return {ns, EventKind::kState, 0, cpu, static_cast<uint64_t>(from), static_cast<uint64_t>(to)};
}

void Crash(RunReport& report, const GuestFault& fault) {
  report.faults.push_back(fault);
  if (report.ending) return;
  report.ending =
      Ending{.kind = Ending::Kind::kGuestCrash, .detail = Describe(fault), .fault = fault};
}

}  // namespace muster::vmm::testing
