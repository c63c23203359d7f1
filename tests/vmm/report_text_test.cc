// A report as a whole: how the run ended, a crash, accesses that nobody served.
#include <algorithm>

#include <catch2/catch.hpp>

#include <muster/vmm/report/json.h>
#include <muster/vmm/report/run_text.h>

#include "report_fixture.h"

namespace muster::vmm {
namespace {

using testing::Crash;
using testing::Mixed;
using vcpu::Inspection;
using vcpu::RunState;

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a crash report has the reason, the place, the code and the registers") {
  RunReport report = Mixed();
  report.vcpus[0].gpr[0] = 0x2badb002;
  report.vcpus[0].gdt_base = 0x1000;
  report.vcpus[0].gdt_limit = 0x27;
  report.vcpus[0].idt_base = 0x2000;
  report.vcpus[0].idt_limit = 0xfff;
  Crash(report, {0, vcpu::GuestFaultExit::Kind::kTripleFault, 0, 0x10001c, {0x0f, 0x0b}});
  report.unknown_ports = {{0x70, 0, 2}};
  CHECK("\n" + RenderReport(report, Style()) == R"(
muster: img: the guest crashed on cpu 0: triple fault (KVM_EXIT_SHUTDOWN) (after 10 ms)
  at 0x10001c (main+0x1c)
  code there: 0f 0b
  RAX 2badb002  RCX 00000000  RDX 00000000  RBX 00000000
  RSP 00000000  RBP 00000000  RSI 00000000  RDI 00000000
  CR0 0  CR2 0  CR3 0  CR4 0  EFER 0  RFLAGS 246  CS 0000
  GDTR 1000 limit 27  IDTR 2000 limit fff

  CPU  STATE          RIP               FLAGS     IRR       ISR  PPR  WAITS FOR
    0  crashed        10001c main+0x1c  IF PF ZF  41 ef +2  50   50   - (triple-fault)
    1  halted         100020 idle       IF        -         -    00   an interrupt
    2  halted         100020 idle       IF        -         -    00   its timer, in 2.5 ms
  3-5  wait-for-SIPI  ?                 ?         -         -    00   INIT, SIPI
  ports that nobody serves: 0x70 (0r 2w)
)");
}

TEST_CASE(
    "a triple fault with no IDT says that no exception can be delivered, no other crash does") {
  const std::string sentence = "  The IDT's limit is 0: no exception can be delivered.\n";
  const auto text = [](vcpu::GuestFaultExit::Kind kind, uint16_t idt_limit, bool known) {
    RunReport report = Mixed();
    report.vcpus[0].idt_limit = idt_limit;
    report.vcpus[0].registers_known = known;
    Crash(report, {0, kind, 0, 0x10001c, {}});
    return RenderReport(report, Style());
  };
  using Kind = vcpu::GuestFaultExit::Kind;
  CHECK(Has(text(Kind::kTripleFault, 0, true), sentence));
  CHECK_FALSE(Has(text(Kind::kTripleFault, 0xfff, true), sentence));
  CHECK_FALSE(Has(text(Kind::kTripleFault, 0, false), sentence));  // the limit is not known
  CHECK_FALSE(Has(text(Kind::kEmulationFailure, 0, true), sentence));
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

}  // namespace
}  // namespace muster::vmm
