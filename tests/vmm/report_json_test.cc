// A report as JSON.

#include <catch2/catch.hpp>

#include <muster/vmm/report/json.h>

#include "report_fixture.h"

namespace muster::vmm {
namespace {

using testing::Crash;
using testing::Mixed;
using vcpu::EventKind;

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

TEST_CASE("JSON of a crash names the fault") {
  RunReport report = Mixed();
  Crash(report, {0, vcpu::GuestFaultExit::Kind::kEmulationFailure, 1, 0x100020, {0xcc}});
  const std::string json = ToJson(report);
  CHECK(Has(json, "\"kind\": \"emulation-failure\""));
  CHECK(Has(json, "\"symbol\": \"idle\""));
}

TEST_CASE(
    "JSON of a suite is as due where every variant ran as often as wanted, and as it is due") {
  const SuiteRow row{.id = "x",
                     .variant = "a",
                     .due = Outcome::kFailed,
                     .seen = {{"failed", 3}},
                     .runs = 3,
                     .wanted = 3};
  SuiteResult suite{.rows = {row}, .wanted = 1};
  const std::string whole = "{\n  \"schema\": 1,\n  \"as_due\": true,\n";
  CHECK(Has(ToJson(suite), whole + "  \"interrupted\": false,\n  \"variants_wanted\": 1,"));
  suite.wanted = 2;
  CHECK_FALSE(Has(ToJson(suite), whole));
  suite = {.rows = {row}, .wanted = 1, .interrupted = "SIGTERM"};
  suite.rows[0].wanted = 4;
  CHECK_FALSE(Has(ToJson(suite), "\"as_due\": true"));
  CHECK(Has(ToJson(suite), "\"runs\": 3,\n      \"runs_wanted\": 4,"));
  CHECK(Has(ToJson(suite), "\"interrupted\": true"));
}

}  // namespace
}  // namespace muster::vmm
