// bench_embed EXITS_CPP EXITS_C [--json FILE] [--markdown]: an exit through the installed C++ and C
// interfaces against the loop in this tree. Each rival is a process of its own, this one by
// --serve.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <functional>
#include <sched.h>
#include <string>
#include <unistd.h>
#include <vector>

#include "real_mode_vm.h"
#include "result.h"
#include "samples.h"

namespace muster::bench {

// Not in the namespace without a name, where its symbols would be this file's own.
static Snippet PortExits() { return MUSTER_BENCH_SNIPPET(bench_port_exits); }

}  // namespace muster::bench

namespace {

using muster::bench::Result;
using muster::bench::Samples;

// A process that answers a number of exits by how long one took.
class Rival {
 public:
  explicit Rival(const std::vector<std::string>& command) {
    int to[2], from[2];
    if (pipe(to) != 0 || pipe(from) != 0) std::exit(1);
    child_ = fork();
    if (child_ == 0) {
      dup2(to[0], 0);
      dup2(from[1], 1);
      for (const int fd : {to[0], to[1], from[0], from[1]}) close(fd);
      std::vector<char*> arguments;
      for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
      arguments.push_back(nullptr);
      execv(arguments[0], arguments.data());
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    to_ = fdopen(to[1], "w");
    from_ = fdopen(from[0], "r");
  }
  ~Rival() {
    std::fclose(to_);
    std::fclose(from_);
  }
  Rival(const Rival&) = delete;
  Rival& operator=(const Rival&) = delete;

  double MicrosecondsEach(int exits) {
    double each = 0;
    fmt::print(to_, "{}\n", exits);
    std::fflush(to_);
    if (std::fscanf(from_, "%lf", &each) != 1) {
      fmt::print(stderr, "bench: a rival has ended\n");
      std::exit(1);
    }
    return each;
  }

 private:
  pid_t child_;
  std::FILE *to_, *from_;
};

int Serve() {
  sigset_t kick;
  sigemptyset(&kick);
  sigaddset(&kick, SIGUSR1);
  sigprocmask(SIG_BLOCK, &kick, nullptr);
  const auto system = muster::vcpu::System::Open(muster::bench::KvmDevice());
  if (!system.ok()) return 6;
  muster::bench::Ram ram;
  ram.Load(muster::bench::Ram::kBspCode, muster::bench::PortExits());
  muster::bench::MusterVm vm(*system, 1, ram);
  for (int exits; std::scanf("%d", &exits) == 1 && exits > 0;) {
    const double begin = muster::bench::Seconds();
    vm.RunPortExits(exits);
    fmt::print("{:.6f}\n", (muster::bench::Seconds() - begin) * 1e6 / exits);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--serve") == 0) return Serve();
  const char* json = nullptr;
  bool markdown = false;
  for (int i = 3; i < argc; ++i) {
    if (std::strcmp(argv[i], "--markdown") == 0) {
      markdown = true;
    } else if (std::strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
      json = argv[++i];
    } else {
      argc = 0;
    }
  }
  if (argc < 3) {
    fmt::print(stderr, "bench embed [--json FILE] [--markdown]\n");
    return 2;
  }
  sched_param parameter{};
  parameter.sched_priority = 1;
  const bool priority = sched_setscheduler(0, SCHED_RR, &parameter) == 0;
  const std::string host =
      muster::bench::DescribeHost() + (priority ? "" : ", no real-time priority");

  constexpr int kBatch = 200, kRepeats = 1000;
  Rival inside({argv[0], "--serve"}), cpp({argv[1]}), cpp_each({argv[1], "each"}), c({argv[2]}),
      c_each({argv[2], "each"});
  std::vector<std::function<double()>> rivals;
  for (Rival* rival : {&inside, &cpp_each, &c_each, &cpp, &c}) {
    rivals.push_back([=] { return rival->MicrosecondsEach(kBatch); });
  }
  const auto samples = muster::bench::Interleave(kRepeats, rivals);
  std::vector<Result> results;
  for (const char* what : {"Port exit, a call of the installed C++ interface for each",
                           "Port exit, a call of the installed C interface for each",
                           "Port exit to a callback of the C++ interface",
                           "Port exit to a callback of the C interface"}) {
    results.push_back({.what = what,
                       .rival = "the loop in this tree, a call for each",
                       .unit = "us",
                       .ours = samples[results.size() + 1],
                       .theirs = samples[0],
                       .wanted = 1.02,
                       .skipped = "",
                       .in_turn = true});
  }
  fmt::print("{}{}Medians, and quartiles in brackets.\n\n{}", host, markdown ? ". " : "\n",
             markdown ? muster::bench::ToMarkdown(results) : muster::bench::ToText(results));
  if (json != nullptr) {
    std::FILE* out = std::fopen(json, "we");
    if (out == nullptr) return 2;
    fmt::print(out, "{}", muster::bench::ToJson(results, host));
    std::fclose(out);
  }
  return std::all_of(results.begin(), results.end(), [](const Result& r) { return r.met(); }) ? 0
                                                                                              : 1;
}
