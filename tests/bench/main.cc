// bench_run MUSTER GUESTS [--json FILE] [--markdown] [--only NAME]...
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <functional>
#include <sched.h>
#include <string>
#include <sys/resource.h>
#include <vector>

#include "measure.h"
#include "real_mode_vm.h"

namespace {

using muster::bench::Result;

// Other work on the machine shows less. Round robin, since vCPUs spin and must not starve the
// threads that serve them.
bool AskForPriority() {
  sched_param parameter{};
  parameter.sched_priority = 1;
  return sched_setscheduler(0, SCHED_RR, &parameter) == 0;
}

// As the command does, so that Run need not change the thread's mask each time.
void KeepKicksBlocked() {
  sigset_t kick;
  sigemptyset(&kick);
  sigaddset(&kick, SIGUSR1);
  sigprocmask(SIG_BLOCK, &kick, nullptr);
}

// The command with 1,024 CPUs inherits it.
void RaiseDescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  const char* json = nullptr;
  std::vector<std::string> only;
  bool markdown = false;
  for (int i = 3; i < argc; ++i) {
    if (std::strcmp(argv[i], "--markdown") == 0) {
      markdown = true;
    } else if (std::strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
      json = argv[++i];
    } else if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
      only.emplace_back(argv[++i]);
    } else {
      argc = 0;
    }
  }
  if (argc < 3) {
    fmt::print(stderr, "bench run [--json FILE] [--markdown] [--only NAME]...\n");
    return 2;
  }
  const std::string muster = argv[1], guests = argv[2];
  const auto system = muster::vcpu::System::Open(muster::bench::KvmDevice());
  if (!system.ok()) {
    fmt::print(stderr, "bench: {}\n", std::string(system.status().message()));
    return 6;
  }
  RaiseDescriptorLimit();
  KeepKicksBlocked();
  std::string host = muster::bench::DescribeHost();
  if (!AskForPriority()) host += ", no real-time priority";

  const std::pair<const char*, std::function<Result()>> all[] = {
      {"port", [&] { return muster::bench::MeasurePortExit(*system); }},
      {"ipi", [&] { return muster::bench::MeasureIpi(*system); }},
      {"ipi-qemu",
       [&] { return muster::bench::MeasureIpiAgainstQemu(muster, guests + "/bench_ping_pong"); }},
      {"first-byte",
       [&] { return muster::bench::MeasureFirstByte(muster, guests + "/bench_all_started"); }},
      {"start-up",
       [&] { return muster::bench::MeasureStartUp(muster, guests + "/bench_all_started"); }},
  };
  std::FILE* out = json != nullptr ? std::fopen(json, "we") : nullptr;
  if (json != nullptr && out == nullptr) {
    fmt::print(stderr, "bench: --json {}: {}\n", json, std::strerror(errno));
    return 2;
  }
  fmt::print("{}{}Medians, and quartiles in brackets.\n\n", host, markdown ? ". " : "\n");
  std::vector<Result> results;
  bool met = true;
  for (const auto& [name, measure] : all) {
    if (!only.empty() && std::find(only.begin(), only.end(), name) == only.end()) continue;
    results.push_back(measure());
    met = met && results.back().met();
    if (!markdown) fmt::print("{}", muster::bench::ToText({results.back()}));
    std::fflush(stdout);
  }
  if (markdown) fmt::print("{}", muster::bench::ToMarkdown(results));
  if (out != nullptr) {
    fmt::print(out, "{}", muster::bench::ToJson(results, host));
    std::fclose(out);
  }
  return met ? 0 : 1;
}
