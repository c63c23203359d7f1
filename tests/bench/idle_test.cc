// An idle guest costs nothing: no thread of the process runs.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <catch2/catch.hpp>

namespace {

namespace fs = std::filesystem;

// How each thread of `pid` stands: its state, and how often it has gone to sleep. One that sleeps
// and has not gone to sleep again since it was last looked at has slept all the time between.
std::map<std::string, std::string> Sleeps(pid_t pid) {
  std::map<std::string, std::string> sleeps;
  for (const auto& task : fs::directory_iterator(fmt::format("/proc/{}/task", pid))) {
    std::ifstream status(task.path() / "status");
    std::string& thread = sleeps[task.path().filename()];
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("Name:") || line.starts_with("State:") ||
          line.starts_with("voluntary_ctxt_switches:")) {
        thread += line + " ";
      }
    }
  }
  return sleeps;
}

// `muster run` of the guest "idle", whose CPUs all sleep with a timer interrupt due in minutes.
class IdleGuest {
 public:
  explicit IdleGuest(int cpus) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      close(ends[0]);
      close(ends[1]);
      const std::string count = std::to_string(cpus);
      execl(MUSTER_BINARY, "muster", "run", MUSTER_IDLE_GUEST, "--cpus", count.c_str(), nullptr);
      _exit(127);
    }
    close(ends[1]);
    char byte = 0;
    const ssize_t got = read(ends[0], &byte, 1);
    close(ends[0]);
    REQUIRE(got == 1);
  }
  ~IdleGuest() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

void CheckStaysAsleep(int cpus) {
  if (access("/dev/kvm", R_OK | W_OK) != 0) {
    std::puts("skipped: /dev/kvm cannot be opened here");
    std::fflush(stdout);
    _exit(77);
  }
  const IdleGuest guest(cpus);
  // What the start leaves to be done ends soon; that it ends at all is what is tested.
  std::map<std::string, std::string> before = Sleeps(guest.pid());
  for (int patience = 0; patience < 100; ++patience) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    std::map<std::string, std::string> after = Sleeps(guest.pid());
    const bool all_sleep = std::all_of(after.begin(), after.end(), [](const auto& thread) {
      return thread.second.find("(sleeping)") != std::string::npos;
    });
    if (all_sleep && after == before) {
      CHECK(after.size() > static_cast<size_t>(cpus));  // vCPUs, and at least the main thread
      return;
    }
    before = std::move(after);
  }
  for (const auto& [id, thread] : before) UNSCOPED_INFO(id << ": " << thread);
  FAIL("threads keep waking");
}

}  // namespace

TEST_CASE("no thread wakes while all CPUs are halted, 1 CPU") { CheckStaysAsleep(1); }
TEST_CASE("no thread wakes while all CPUs are halted, 64 CPUs") { CheckStaysAsleep(64); }
