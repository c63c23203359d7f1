#include <algorithm>

#include <catch2/catch.hpp>

#include <muster/vmm/report/activity.h>
#include <muster/vmm/report/json.h>
#include <muster/vmm/report/last_events.h>
#include <muster/vmm/report/run_text.h>
#include <muster/vmm/report/timeline.h>
#include <muster/vmm/report/vcpu_text.h>
#include <muster/vmm/report/wait_text.h>

namespace muster::vmm {
namespace {

using vcpu::Event;
using vcpu::EventKind;
using vcpu::Inspection;
using vcpu::RunState;

constexpr uint64_t kMs = 1'000'000;

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

TEST_CASE("the table of vCPUs: symbols, flags, vectors, what each waits for, equal rows folded") {
  CHECK("\n" + RenderVcpus(Mixed(), Style()) == R"(
  CPU  STATE          RIP               FLAGS     IRR       ISR  PPR  WAITS FOR
    0  running        10001c main+0x1c  IF PF ZF  41 ef +2  50   50   -
    1  halted         100020 idle       IF        -         -    00   an interrupt
    2  halted         100020 idle       IF        -         -    00   its timer, in 2.5 ms
  3-5  wait-for-SIPI  ?                 ?         -         -    00   INIT, SIPI
)");
}

TEST_CASE("the table of vCPUs stays small, whatever the vCPUs are like") {
  std::vector<Inspection> many;
  for (int cpu = 0; cpu < 1024; ++cpu) {
    Inspection vcpu = Cpu(cpu, cpu % 3 ? RunState::kHalted : RunState::kRunning);
    vcpu.rip = 0xffffffff80000000 + static_cast<uint64_t>(cpu);
    vcpu.rflags = 0xffff;
    for (int vector = 32; vector < 256; ++vector) {
      vcpu.irr.push_back(static_cast<uint8_t>(vector));
      vcpu.isr.push_back(static_cast<uint8_t>(vector));
    }
    many.push_back(vcpu);
  }
  RunReport report = Report(many);
  report.symbols = SymbolTable({{0xffffffff80000000, 0, std::string(200, 's')}}, UINT64_MAX);
  const std::string text = RenderVcpus(report, Style());
  size_t lines = 0;
  for (size_t at = 0; at < text.size(); ++lines) {
    const size_t end = text.find('\n', at);
    CHECK(end - at <= 100);
    at = end + 1;
  }
  CHECK(lines == 42);
  CHECK(text.find("and 656 halted, 328 running") != std::string::npos);
}

TEST_CASE("tables fit a terminal of 80 columns, and use a wider one") {
  RunReport report = Mixed();
  report.lines = {{0x10001c, "a-long-name-of-a-source-file.c:7"}};
  report.vcpus[0].rflags = 0xffff;
  for (uint64_t i = 0; i < 6; ++i) {
    report.vcpus[0].last_events.push_back({i, EventKind::kPost, 0, 0, i, i << 40});
  }
  const auto widest = [&report](int terminal_width) {
    const Style style{.terminal_width = terminal_width};
    const std::string text = RenderVcpus(report, style) + RenderActivity(report, style) +
                             RenderLastEvents(report, style);
    size_t most = 0;
    for (size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
      most = std::max(most, end - at);
    }
    return most;
  };
  CHECK(widest(80) <= 80);
  CHECK(widest(0) <= 100);
  CHECK(widest(140) > 100);
}

TEST_CASE("what a halted vCPU waits for") {
  Inspection vcpu = Cpu(0, RunState::kHalted);
  CHECK(DescribeWait(vcpu, 0) == "NMI or INIT (IF is 0)");
  vcpu.rflags = 0x202;
  CHECK(DescribeWait(vcpu, 0) == "an interrupt");
  vcpu.irr = {0x35};
  vcpu.tpr = vcpu.ppr = 0x3f;
  CHECK(DescribeWait(vcpu, 0) == "an interrupt; 35 held by TPR 3f");
  vcpu.timer_deadline_ns = kMs;
  CHECK(DescribeWait(vcpu, 0) == "its timer, in 1.0 ms; 35 held by TPR 3f");
  vcpu.isr = {0x31};
  CHECK(DescribeWait(vcpu, kMs) == "its timer, in 0.0 ms; 35 held by ISR 31, no EOI yet");
  vcpu.apic_software_enabled = false;
  CHECK(DescribeWait(vcpu, 0) == "NMI or INIT (APIC disabled); 35 held by SVR");
  vcpu.rflags = 2;
  CHECK(DescribeWait(vcpu, 0) == "NMI or INIT (IF is 0); 35 held by IF");
  vcpu.deliverable = true;
  CHECK(DescribeWait(vcpu, 0) == "nothing: about to wake");
}

TEST_CASE("a running vCPU waits for nothing, but what its IF or PPR withholds is told") {
  Inspection vcpu = Cpu(0, RunState::kRunning);
  vcpu.rflags = 0x202;
  vcpu.irr = {0x35, 0x41};
  vcpu.ppr = 0x40;
  vcpu.tpr = 0x40;
  CHECK(DescribeWait(vcpu, 0) == "35 41 held by TPR 40");
  vcpu.ppr = 0x3f;
  CHECK(DescribeWait(vcpu, 0) == "-");
  vcpu.rflags = 2;
  CHECK(DescribeWait(vcpu, 0) == "35 41 held by IF");
}

TEST_CASE("the table of vCPUs has a column of source lines where there are any") {
  RunReport report = Mixed();
  report.lines = {{0x10001c, "main.c:7"}};
  CHECK("\n" + RenderVcpus(report, Style()) == R"(
  CPU  STATE          RIP               LINE      FLAGS     IRR       ISR  PPR  WAITS FOR
    0  running        10001c main+0x1c  main.c:7  IF PF ZF  41 ef +2  50   50   -
    1  halted         100020 idle                 IF        -         -    00   an interrupt
    2  halted         100020 idle                 IF        -         -    00   its timer, in 2.5 ms
  3-5  wait-for-SIPI  ?                           ?         -         -    00   INIT, SIPI
)");
  CHECK(AddressesOf(report) == std::vector<uint64_t>{0x10001c, 0x100020, 0x100020});
}

// Pin 5 as a level, vector 0x41, raised; its message is on its way.
apic::IoApic LevelOnPin5() {
  apic::IoApic ioapic({});
  const auto store = [&ioapic](uint8_t reg, uint32_t value) {
    std::vector<uint8_t> bytes;
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
    ioapic.MmioWrite(apic::kIoRegSel, std::vector<uint8_t>{reg});
    ioapic.MmioWrite(apic::kIoWin, bytes);
  };
  store(0x10 + 2 * 5, 0x8041);
  ioapic.SetLine(5, true);
  return ioapic;
}

TEST_CASE("a pin whose Remote IRR is set: whose EOI it waits for, or that nobody can give it") {
  std::vector<Inspection> vcpus = {Cpu(0, RunState::kRunning), Cpu(1, RunState::kHalted)};
  CHECK(PinsAwaitingEoi(apic::IoApic({}), vcpus).empty());
  const apic::IoApic ioapic = LevelOnPin5();
  CHECK(PinsAwaitingEoi(ioapic, vcpus) == std::vector<WaitingPin>{{5, 0x41, {}}});
  CHECK(RenderPins(PinsAwaitingEoi(ioapic, vcpus)) ==
        "  I/O APIC pin 5: Remote IRR is set for vector 41, which no CPU has: stuck\n");
  vcpus[1].mailbox = {0x41};
  CHECK(PinsAwaitingEoi(ioapic, vcpus) == std::vector<WaitingPin>{{5, 0x41, {1}}});
  CHECK(RenderPins(PinsAwaitingEoi(ioapic, vcpus)) ==
        "  I/O APIC pin 5: Remote IRR is set for vector 41 until the EOI of CPU 1\n");
  vcpus[0].isr = {0x41};
  CHECK(RenderPins(PinsAwaitingEoi(ioapic, vcpus)) ==
        "  I/O APIC pin 5: Remote IRR is set for vector 41 until the EOI of CPU 0 or of 1 others "
        "that have it\n");
}

Event At(uint64_t ns, EventKind kind, uint64_t a = 0, uint64_t b = 0) {
  return {ns, kind, 0, 0, a, b};
}

TEST_CASE("the last six events of each CPU, repeats counted, CPUs that did the same in one row") {
  RunReport report = Mixed();
  const uint64_t t = report.now_ns;
  for (uint64_t i = 40; i > 9; --i) {
    report.vcpus[0].last_events.push_back(At(t - i * kMs, EventKind::kExit, 2, 0x3f8));
  }
  report.vcpus[0].last_events.push_back(At(t - 8 * kMs, EventKind::kPost, 0x141, 2));
  report.vcpus[0].last_events.push_back(At(t - 7 * kMs, EventKind::kInject, 0x30));
  report.vcpus[0].last_events.push_back(At(t - 6 * kMs, EventKind::kExit, 6, 0xfee000b0));
  report.vcpus[0].last_events.push_back(At(t - 6 * kMs, EventKind::kEoi, 0x30));
  report.vcpus[0].last_events.push_back(At(t - 5 * kMs, EventKind::kExit, 5));
  for (size_t cpu : {1, 2}) {
    report.vcpus[cpu].last_events = {
        At(t - cpu * kMs, EventKind::kState, 1, static_cast<uint64_t>(RunState::kHalted))};
  }
  CHECK(RenderLastEvents(report, Style()) == R"(
  CPU   AGO  LAST EVENTS, THE NEWEST AT THE END
    0  5 ms  port 3f8 x31, post 41 to 2, inject 30, mmio fee000b0, EOI 30, hlt
  1-2  1 ms  halted
)");
  report.vcpus[0].last_events.push_back(At(t - 4 * kMs, EventKind::kNmi));
  CHECK(RenderLastEvents(report, Style()).find("port 3f8") == std::string::npos);
}

TEST_CASE("the last events of many CPUs, each another, fit a screen") {
  std::vector<Inspection> vcpus;
  for (int cpu = 0; cpu < 1024; ++cpu) {
    vcpus.push_back(Cpu(cpu, RunState::kHalted));
    for (uint64_t i = 0; i < vcpu::kLastEvents; ++i) {
      vcpus.back().last_events.push_back(
          At(i, EventKind::kPost, i, static_cast<uint64_t>(cpu) << 40));
    }
  }
  const std::string text = RenderLastEvents(Report(vcpus), Style());
  CHECK(std::count(text.begin(), text.end(), '\n') == 1 + 1 + 24 + 1);
  CHECK(text.find("and 1000 more CPUs") != std::string::npos);
  for (size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    CHECK(end - at <= 100);
  }
}

TEST_CASE("no table of last events where none were recorded") {
  CHECK(RenderLastEvents(Mixed(), Style()).empty());
}

TEST_CASE("vCPUs that did not answer are counted") {
  RunReport report = Mixed();
  report.cpus = 8;
  CHECK(RenderVcpus(report, Style()).find("2 vCPUs did not answer in time") != std::string::npos);
}

// The first such fault ends the run.
void Crash(RunReport& report, const GuestFault& fault) {
  report.faults.push_back(fault);
  if (report.ending) return;
  report.ending =
      Ending{.kind = Ending::Kind::kGuestCrash, .detail = Describe(fault), .fault = fault};
}

TEST_CASE("a crash report has the reason, the place, the code and the registers") {
  RunReport report = Mixed();
  report.vcpus[0].gpr[0] = 0x2badb002;
  Crash(report, {0, vcpu::GuestFaultExit::Kind::kTripleFault, 0, 0x10001c, {0x0f, 0x0b}});
  report.unknown_ports = {{0x70, 0, 2}};
  CHECK("\n" + RenderReport(report, Style()) == R"(
muster: img: the guest crashed on cpu 0: triple fault (KVM_EXIT_SHUTDOWN) (after 10 ms)
  at 0x10001c (main+0x1c)
  code there: 0f 0b
  RAX 2badb002  RCX 00000000  RDX 00000000  RBX 00000000
  RSP 00000000  RBP 00000000  RSI 00000000  RDI 00000000
  CR0 0  CR2 0  CR3 0  CR4 0  EFER 0  RFLAGS 246  CS 0000

  CPU  STATE          RIP               FLAGS     IRR       ISR  PPR  WAITS FOR
    0  crashed        10001c main+0x1c  IF PF ZF  41 ef +2  50   50   - (triple-fault)
    1  halted         100020 idle       IF        -         -    00   an interrupt
    2  halted         100020 idle       IF        -         -    00   its timer, in 2.5 ms
  3-5  wait-for-SIPI  ?                 ?         -         -    00   INIT, SIPI
  ports that nobody serves: 0x70 (0r 2w)
)");
}

TEST_CASE("a crash in an AP's trampoline has the symbol and the line of CS's base plus RIP") {
  RunReport report = Mixed();
  Inspection& vcpu = report.vcpus[1];
  vcpu.cs_selector = 0x0800;
  vcpu.cs_base = 0x8000;
  vcpu.rip = 0x105;
  Crash(report, {1, vcpu::GuestFaultExit::Kind::kTripleFault, 0, 0x105, {}});
  report.symbols = SymbolTable({{0x100, 0x100, "wrong"}, {0x8100, 0x100, "trampoline"}}, 0x9000);
  report.lines = {{0x105, "wrong.c:1"}, {0x8105, "boot.S:7"}};
  const std::vector<uint64_t> addresses = AddressesOf(report);
  CHECK(std::count(addresses.begin(), addresses.end(), 0x8105) == 2);  // the vCPU's, the fault's
  CHECK(std::count(addresses.begin(), addresses.end(), 0x105) == 0);
  const std::string text = RenderReport(report, Style());
  CHECK(text.find("\n  at 0x8105 (trampoline+0x5), boot.S:7\n") != std::string::npos);
  CHECK(text.find("0800:0105 ") != std::string::npos);
  CHECK(text.find("wrong") == std::string::npos);
  const std::string json = ToJson(report);
  CHECK(json.find("\"rip\": \"0x105\",\n    \"symbol\": \"trampoline+0x5\",\n    "
                  "\"line\": \"boot.S:7\"") != std::string::npos);
  CHECK(json.find("wrong") == std::string::npos);
}

TEST_CASE("a second vCPU that crashed is not just off") {
  RunReport report = Mixed();
  for (Inspection& vcpu : report.vcpus) vcpu.state = RunState::kOffline;
  Crash(report, {1, vcpu::GuestFaultExit::Kind::kTripleFault, 0, 0x100020, {}});
  Crash(report, {2, vcpu::GuestFaultExit::Kind::kEmulationFailure, 0, 0x100020, {0xdf}});
  const std::string text = RenderReport(report, Style());
  CHECK(text.find("the guest crashed on cpu 1: triple fault") != std::string::npos);
  CHECK(text.find("    1  crashed  100020 idle ") != std::string::npos);
  CHECK(text.find("- (triple-fault)\n    2  crashed  100020 idle ") != std::string::npos);
  CHECK(text.find("- (emulation-failure)\n") != std::string::npos);
  const std::string json = ToJson(report);
  size_t faults = 0;
  for (size_t at = 0; (at = json.find("\"fault\": {", at)) != std::string::npos; ++at) ++faults;
  CHECK(faults == 3);  // the run's, and those of two vCPUs
}

TEST_CASE("the first line says how the run ended, and nothing where the guest powered off") {
  RunReport report = Mixed();
  const auto headline = [&report](Ending ending) {
    report.ending = std::move(ending);
    return RenderHeadline(report, Style());
  };
  CHECK(headline({.kind = Ending::Kind::kPowerOff, .detail = "x"}).empty());
  CHECK(headline({.kind = Ending::Kind::kGuestExit, .detail = "port", .guest_value = 0x181}) ==
        "muster: img: the guest wrote 385 to the port: exit status 3, which is cut down to 8 bits "
        "(after 10 ms)\n");
  CHECK(headline({.kind = Ending::Kind::kTimeout, .detail = "2 s"}) ==
        "muster: img: the guest had not ended when its time was up (2 s) (after 10 ms)\n");
}

TEST_CASE("activity: neighbours that did the same share a row, and all are summed") {
  std::vector<Inspection> vcpus;
  for (int cpu = 0; cpu < 40; ++cpu) {
    vcpus.push_back(Cpu(cpu, RunState::kHalted));
    vcpus.back().counters.entries = 1;
    vcpus.back().counters.ipis_sent = cpu == 0 ? 2'500'000 : 0;
  }
  const std::string text = RenderActivity(Report(vcpus), Style());
  CHECK(text.find("\n     0      1") != std::string::npos);
  CHECK(text.find("2.5M") != std::string::npos);
  CHECK(text.find("\n  1-39      1") != std::string::npos);
  CHECK(text.find("\n   all     40") != std::string::npos);
  CHECK(text.find("rest") == std::string::npos);
}

TEST_CASE("activity: what there is no room for is summed") {
  std::vector<Inspection> vcpus;
  for (int cpu = 0; cpu < 40; ++cpu) {
    vcpus.push_back(Cpu(cpu, RunState::kHalted));
    vcpus.back().counters.entries = static_cast<uint64_t>(cpu + 1);
  }
  const std::string text = RenderActivity(Report(vcpus), Style());
  CHECK(text.find("\n    31     32") != std::string::npos);
  CHECK(text.find("\n    32 ") == std::string::npos);
  CHECK(text.find("\n  rest    292") != std::string::npos);  // 33 + ... + 40
  CHECK(text.find("\n   all    820") != std::string::npos);
}

Event State(uint64_t ns, int cpu, RunState from, RunState to) {
  return {ns, EventKind::kState, 0, cpu, static_cast<uint64_t>(from), static_cast<uint64_t>(to)};
}

TEST_CASE("spans follow the state events and fill the time around them") {
  const std::vector<Event> events = {
      State(20, 0, RunState::kWaitForSipi, RunState::kRunning),
      {25, EventKind::kExit, 0, 0, 1, 2},
      State(30, 0, RunState::kRunning, RunState::kHalted),
  };
  const std::vector<Span> spans = SpansOf(events, 10, 40, RunState::kHalted);
  REQUIRE(spans.size() == 3);
  CHECK((spans[0].begin_ns == 10 && spans[0].end_ns == 20));
  CHECK(spans[0].state == RunState::kWaitForSipi);
  CHECK((spans[1].end_ns == 30 && spans[1].state == RunState::kRunning));
  CHECK((spans[2].end_ns == 40 && spans[2].state == RunState::kHalted));
  REQUIRE(SpansOf({}, 10, 40, RunState::kRunning).size() == 1);
}

TEST_CASE("the picture of the CPUs coming up") {
  RunReport report = Report({Cpu(0, RunState::kRunning), Cpu(1, RunState::kHalted)});
  const uint64_t t = report.start_ns;
  report.trace_events = 8;
  report.events = {{{t, EventKind::kExit, 0, 0, 0, 0}},
                   {State(t + 4 * kMs, 1, RunState::kWaitForSipi, RunState::kRunning),
                    State(t + 6 * kMs, 1, RunState::kRunning, RunState::kHalted)}};
  CHECK("\n" + RenderTimeline(report,
                              Style{.colour = false, .unicode = false, .terminal_width = 60}) ==
        R"(
          0       2 ms    4 ms    6 ms
          +-------+-------+-------+-------
  cpu 0   ################################
  cpu 1   ................########--------  SIPI at 4 ms
          # running   - halted   . waits for SIPI
)");
}

TEST_CASE("where the ring has wrapped, the picture leaves the beginning blank and says so") {
  RunReport report = Report({Cpu(0, RunState::kHalted)});
  report.trace_events = 1;
  report.events = {{State(report.start_ns + 5 * kMs, 0, RunState::kRunning, RunState::kHalted)}};
  const std::string text =
      RenderTimeline(report, Style{.colour = false, .unicode = false, .terminal_width = 60});
  CHECK(text.find("  cpu 0                   ----------------\n") != std::string::npos);
  CHECK(text.find("blank: more happened than is kept") != std::string::npos);
}

TEST_CASE("the picture has at most 32 rows, neighbours sharing them, and none without events") {
  std::vector<Inspection> vcpus;
  RunReport report;
  for (int cpu = 0; cpu < 100; ++cpu) vcpus.push_back(Cpu(cpu, RunState::kHalted));
  report = Report(vcpus);
  report.trace_events = 8;
  CHECK(RenderTimeline(report, Style()).empty());
  report.events.resize(100);
  report.events[7] = {State(report.start_ns + kMs, 7, RunState::kWaitForSipi, RunState::kRunning)};
  const std::string text = RenderTimeline(report, Style());
  CHECK(std::count(text.begin(), text.end(), '\n') == 2 + 25 + 1);
  CHECK(text.find("  96-99 ") != std::string::npos);
}

TEST_CASE("colours only where the style has them") {
  CHECK(Style().Paint(Colour::kRed, "x") == "x");
  CHECK(Style{.colour = true}.Paint(Colour::kRed, "x") == "\x1b[31mx\x1b[0m");
}

TEST_CASE("durations have three digits and a unit") {
  CHECK(FormatDuration(482'000) == "482 us");
  CHECK(FormatDuration(12'340'000) == "12.3 ms");
  CHECK(FormatDuration(1'234'000'000) == "1.23 s");
  CHECK(FormatDuration(600'000'000'000) == "600.0 s");
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("JSON has the outcome, every vCPU and what nobody served") {
  RunReport report = Mixed();
  report.ending = Ending{.kind = Ending::Kind::kGuestExit, .detail = "port", .guest_value = 0x181};
  report.unknown_msrs = {{0x1a0, 1, 0}};
  report.image = "caf\xe9";  // not UTF-8
  report.lines = {{0x10001c, "main.c:7"}};
  report.pins = {{5, 0x41, {}}};
  report.vcpus[0].last_events = {{report.start_ns + 3, EventKind::kExit, 0, 0, 2, 0x3f8}};
  const std::string json = ToJson(report);
  CHECK(Has(json, "{\n  \"schema\": 1,\n"));
  CHECK(Has(json, "\"outcome\": \"guest-exit\""));
  CHECK(Has(json, "\"exit_status\": 3,"));
  CHECK(Has(json, "\"guest_value\": 385,"));
  CHECK(Has(json, "\"wall_ns\": 10000000,"));
  CHECK(Has(json, "\"rip\": \"0x10001c\""));
  CHECK(Has(json, "\"symbol\": \"main+0x1c\""));
  CHECK(Has(json, "\"registers\": null"));
  CHECK(Has(json, "\"line\": \"main.c:7\""));
  CHECK(Has(json, "\"waits_for\": \"its timer, in 2.5 ms\""));
  CHECK(Has(json, "\"ns\": 3,"));
  CHECK(Has(json, "\"timer_deadline_ns\": 12500000,"));  // from the start too
  CHECK(Has(json, "\"what\": \"port 3f8\""));
  CHECK(Has(json, "\"stuck\": true"));
  CHECK(Has(json, "\"address\": \"0x1a0\""));
  CHECK(json.back() == '\n');
}

TEST_CASE("accesses past those that are told apart are reported as a number") {
  RunReport report = Mixed();
  for (uint64_t port = 0; port < AccessCounts::kMostAddresses; ++port) {
    report.unknown_ports.push_back({port, 1, 0});
  }
  CHECK(Has(RenderReport(report, Style()), " and 248 more\n"));
  report.other_ports = 7;
  CHECK(Has(RenderReport(report, Style()), " and 248 more; 7 accesses to still others\n"));
  CHECK(Has(ToJson(report), "\"other_accesses\": {\n    \"ports\": 7,\n"));
}

TEST_CASE("JSON of a crash names the fault") {
  RunReport report = Mixed();
  Crash(report, {0, vcpu::GuestFaultExit::Kind::kEmulationFailure, 1, 0x100020, {0xcc}});
  const std::string json = ToJson(report);
  CHECK(Has(json, "\"kind\": \"emulation-failure\""));
  CHECK(Has(json, "\"symbol\": \"idle\""));
}

TEST_CASE("a meeting that lasts: who waits, for whom, since when and what they do") {
  rendezvous::Wait wait{
      .name = "INIT", .initiator = 2, .waited_ns = 1500 * kMs, .has_turn = true, .stragglers = {}};
  wait.stragglers.push_back({.cpu = 0,
                             .since_ns = 1500 * kMs,
                             .notified = true,
                             .asked_ns = 1400 * kMs,
                             .doing = "running, in the guest"});
  wait.stragglers.push_back({.cpu = 3, .started = true, .since_ns = 20 * kMs, .doing = "halted"});
  CHECK(RenderWait(wait) ==
        "muster: INIT by CPU 2 has waited 1.50 s for its CPUs\n"
        "  CPU 0: has not come, kicked 1.40 s ago; running, in the guest\n"
        "  CPU 3: in the function for 20 ms; halted\n");

  const rendezvous::Wait behind{.name = "SIPI",
                                .waited_ns = 2000 * kMs,
                                .behind = "a standstill",
                                .standing = {0, 1},
                                .stragglers = {}};
  CHECK(RenderWait(behind) ==
        "muster: SIPI by muster itself has waited 2.00 s for its turn, after a standstill; "
        "stopped: CPU "
        "0-1\n");

  wait.stragglers.assign(20, {.cpu = 1, .overruns = 3, .doing = "running"});
  const std::string many = RenderWait(wait);
  CHECK(many.find(
            "has not been told yet, ENTERED THE GUEST 3 times since: a bug of Muster; running") !=
        std::string::npos);
  CHECK(many.find("  and 4 more\n") != std::string::npos);
}

}  // namespace
}  // namespace muster::vmm
