// The table of vCPUs, and what is said of one that waits.

#include <catch2/catch.hpp>

#include <muster/vmm/report/activity.h>
#include <muster/vmm/report/last_events.h>
#include <muster/vmm/report/vcpu_text.h>

#include "report_fixture.h"

namespace muster::vmm {
namespace {

using testing::Cpu;
using testing::kMs;
using testing::Mixed;
using testing::Report;
using vcpu::EventKind;
using vcpu::Inspection;
using vcpu::RunState;

TEST_CASE("the table of vCPUs: symbols, flags, vectors, what each waits for, equal rows folded") {
  CHECK("\n" + RenderVcpus(Mixed(), Style()) == R"(
  CPU  STATE          RIP               FLAGS     IRR       ISR  PPR  WAITS FOR
    0  running        10001c main+0x1c  IF PF ZF  41 ef +2  50   50   -
    1  halted         100020 idle       IF        -         -    00   an interrupt
    2  halted         100020 idle       IF        -         -    00   its timer, in 2.5 ms
  3-5  wait-for-SIPI  ?                 ?         -         -    00   INIT, SIPI
)");
}

TEST_CASE("a CPU that runs with interrupts off is told from one that can be interrupted") {
  Inspection vcpu = Cpu(0, RunState::kRunning);
  vcpu.rflags = 0x202;
  CHECK(DescribeWait(vcpu, 0) == "-");
  vcpu.rflags = 0x2;
  CHECK(DescribeWait(vcpu, 0) == "- (IF is 0)");
  vcpu.irr = {0x60};
  CHECK(DescribeWait(vcpu, 0) == "60 held by IF");
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
    CHECK(end - at <= 120);
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
  CHECK(widest(0) <= 120);
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

TEST_CASE("vCPUs that did not answer are counted") {
  RunReport report = Mixed();
  report.cpus = 8;
  CHECK(RenderVcpus(report, Style()).find("2 vCPUs did not answer in time") != std::string::npos);
}

}  // namespace
}  // namespace muster::vmm
