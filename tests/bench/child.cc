#include "child.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include "real_mode_vm.h"

namespace muster::bench {

FirstLine AwaitLine(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) std::exit(EXIT_FAILURE);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);

  FirstLine line{};
  const double begin = Seconds();
  pid_t child = 0;
  const int error = posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    fmt::print(stderr, "bench: {}: {}\n", argv[0], std::strerror(error));
    std::exit(EXIT_FAILURE);
  }
  while (line.text.empty() || line.text.back() != '\n') {
    char bytes[256];
    const ssize_t count = read(ends[0], bytes, sizeof(bytes));
    if (count <= 0) {
      fmt::print(stderr, "bench: no output from: {}\n", fmt::join(arguments, " "));
      std::exit(EXIT_FAILURE);
    }
    if (line.text.empty()) line.first_byte = Seconds() - begin;
    line.text.append(bytes, static_cast<size_t>(count));
  }
  line.complete = Seconds() - begin;
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ends[0]);
  return line;
}

bool IsInstalled(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream directories(path != nullptr ? path : "");
  for (std::string directory; std::getline(directories, directory, ':');) {
    if (access((directory + "/" + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace muster::bench
