#include "process.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <sstream>
#include <stdexcept>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace muster::vmm::testing {
namespace {

constexpr int kSmallPipe = 4096;

void Pipe(int ends[2]) {
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, const Options& options)
    : read_stdout_(options.read_stdout) {
  int in[2], out[2], err[2];
  Pipe(in);
  if (write(in[1], options.input.data(), options.input.size()) !=
      static_cast<ssize_t>(options.input.size())) {
    throw std::runtime_error("write");
  }
  close(in[1]);
  Pipe(out);
  Pipe(err);
  if (!read_stdout_) fcntl(out[1], F_SETPIPE_SZ, kSmallPipe);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    for (const std::string& variable : options.environment) {
      putenv(const_cast<char*>(variable.c_str()));
    }
    if (options.uid != 0 && (setgid(options.uid) != 0 || setuid(options.uid) != 0)) _exit(126);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  close(err[1]);
  out_fd_ = out[0];
  err_fd_ = err[0];
}

Process::~Process() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (out_fd_ >= 0) close(out_fd_);
  if (err_fd_ >= 0) close(err_fd_);
}

void Process::Signal(int number) { kill(pid_, number); }

bool Process::ReadSome() {
  pollfd waits[] = {{read_stdout_ ? out_fd_ : -1, POLLIN, 0}, {err_fd_, POLLIN, 0}};
  if (waits[0].fd < 0 && waits[1].fd < 0) return false;
  poll(waits, 2, -1);
  const auto take = [](const pollfd& wait, int& fd, std::string& to) {
    if (wait.revents == 0) return;
    char buffer[4096];
    const ssize_t got = read(wait.fd, buffer, sizeof(buffer));
    if (got > 0) {
      to.append(buffer, static_cast<size_t>(got));
    } else if (got == 0 || errno != EINTR) {
      close(fd);
      fd = -1;
    }
  };
  take(waits[0], out_fd_, result_.out);
  take(waits[1], err_fd_, result_.err);
  return true;
}

bool Process::WaitForCount(const std::string& text, int count) {
  const auto holds = [&](const std::string& output) {
    size_t at = 0;
    for (int i = 0; i < count; ++i, ++at) {
      at = output.find(text, at);
      if (at == std::string::npos) return false;
    }
    return true;
  };
  const auto found = [&] { return holds(result_.out) || holds(result_.err); };
  while (!found() && ReadSome()) {
  }
  return found();
}

std::string Process::WaitForLine(const std::string& beginning) {
  for (;;) {
    for (const std::string* output : {&result_.out, &result_.err}) {
      const size_t at = output->find(beginning);
      const size_t end = at == std::string::npos ? at : output->find('\n', at);
      if (end != std::string::npos) return output->substr(at, end - at);
    }
    if (!ReadSome()) return "";
  }
}

void Process::WaitUntilStdoutIsFull() {
  // How many bytes are full depends on how they were written: full is where no more come.
  for (int before = -1, waiting = 0; waiting == 0 || waiting != before;) {
    before = waiting;
    usleep(50'000);
    if (ioctl(out_fd_, FIONREAD, &waiting) != 0) return;
  }
}

void Process::WaitUntilStopped() {
  int status = 0;
  while (waitpid(pid_, &status, WUNTRACED) == pid_ && !WIFSTOPPED(status)) {
  }
}

Process::Result Process::Wait() {
  while (ReadSome()) {
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  result_.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result_;
}

TemporaryFile::TemporaryFile(const std::vector<uint8_t>& bytes) {
  char path[] = "/tmp/muster-test-XXXXXX";
  const int fd = mkstemp(path);
  if (fd < 0 || write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    throw std::runtime_error("temporary file");
  }
  fchmod(fd, 0644);
  close(fd);
  path_ = path;
}

TemporaryFile::~TemporaryFile() { unlink(path_.c_str()); }

std::string TemporaryFile::Read() const {
  std::ostringstream text;
  text << std::ifstream(path_).rdbuf();
  return text.str();
}

}  // namespace muster::vmm::testing
