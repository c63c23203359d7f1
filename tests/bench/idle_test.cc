// An idle guest costs nothing: its CPUs make no exits, and no thread of the process wakes.
#include <csignal>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <catch2/catch.hpp>

#include "../vmm/process.h"
#include "need_kvm.h"

namespace {

using muster::vmm::testing::Process;
using muster::vmm::testing::TemporaryFile;

// A JSON report without what tells the time. A report itself wakes the supervisor, for its signal.
std::vector<std::string> WithoutTime(const std::string& json) {
  std::vector<std::string> lines;
  std::istringstream stream(json);
  for (std::string line; std::getline(stream, line);) {
    const auto is = [&line](const char* key) { return line.find(key) != std::string::npos; };
    if (!is("\"wall_ns\"") && !is("\"waits_for\"") && !is("\"supervisor\"")) lines.push_back(line);
  }
  return lines;
}

// How often the supervisor woke.
int Supervised(const std::string& json) {
  constexpr std::string_view kKey = "\"supervisor\": ";
  return std::stoi(json.substr(json.find(kKey) + kKey.size()));
}

// What `muster run` writes into --json on Ctrl-\.
std::string Report(Process& muster, const TemporaryFile& json, int number) {
  muster.Signal(SIGQUIT);
  // One more of the headlines with which reports begin.
  REQUIRE(muster.WaitForCount("running for", number));
  return json.Read();
}

void CheckCostsNothing(int cpus) {
  muster::testing::NeedKvm();
  const TemporaryFile json;
  Process muster({MUSTER_BINARY, "run", MUSTER_IDLE_GUEST, "--cpus", std::to_string(cpus), "--json",
                  json.path()});
  REQUIRE(muster.WaitFor("idle"));
  // What the start leaves to be done ends soon; that it ends at all is what is tested.
  int number = 0;
  std::string before = Report(muster, json, ++number);
  for (int patience = 0; patience < 100; ++patience) {
    usleep(500'000);  // the stretch in which nothing is to happen
    const std::string after = Report(muster, json, ++number);
    if (WithoutTime(before) == WithoutTime(after)) {
      CHECK(after.find("\"entries\": ") != std::string::npos);
      CHECK(Supervised(after) == Supervised(before) + 1);
      muster.Signal(SIGTERM);
      (void)muster.Wait();
      return;
    }
    before = after;
  }
  FAIL("counters keep moving: " << before);
}

}  // namespace

TEST_CASE("no exit and no wake-up while all CPUs are halted, 1 CPU") { CheckCostsNothing(1); }
TEST_CASE("no exit and no wake-up while all CPUs are halted, 64 CPUs") { CheckCostsNothing(64); }
