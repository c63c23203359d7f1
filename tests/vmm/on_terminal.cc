#include "on_terminal.h"

#include <csignal>
#include <cstring>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include <catch2/catch.hpp>

namespace muster::vmm::testing {

OnTerminal::OnTerminal(const std::vector<std::string>& words) {
  pid_ = forkpty(&terminal_, nullptr, nullptr, nullptr);
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  settings_ = Settings();
}

OnTerminal::~OnTerminal() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(terminal_);
}

void OnTerminal::Press(const std::string& keys) {
  REQUIRE(write(terminal_, keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
}

std::string OnTerminal::WaitFor(const std::string& text) {
  size_t at = 0;
  while ((at = shown_.find(text)) == std::string::npos) {
    INFO(shown_);
    REQUIRE(ReadSome());
  }
  std::string rest = shown_.substr(at + text.size());
  shown_.resize(at + text.size());
  return std::exchange(shown_, std::move(rest));
}

void OnTerminal::Signal(int number) { kill(pid_, number); }

void OnTerminal::WaitUntilStopped() {
  int status = 0;
  REQUIRE(waitpid(pid_, &status, WUNTRACED) == pid_);
  REQUIRE(WIFSTOPPED(status));
}

int OnTerminal::Wait() {
  while (ReadSome()) {
  }
  int status = 0;
  REQUIRE(waitpid(pid_, &status, 0) == pid_);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool OnTerminal::SettingsAreKept() const {
  const termios now = Settings();
  return now.c_iflag == settings_.c_iflag && now.c_oflag == settings_.c_oflag &&
         now.c_cflag == settings_.c_cflag && now.c_lflag == settings_.c_lflag &&
         std::memcmp(now.c_cc, settings_.c_cc, sizeof(now.c_cc)) == 0;
}

void OnTerminal::Reset() { REQUIRE(tcsetattr(terminal_, TCSANOW, &settings_) == 0); }

void OnTerminal::WaitUntilRaw() const {
  // A time limit of the test ends this if it never is.
  while (Settings().c_lflag & (ICANON | ISIG | ECHO)) usleep(10'000);
}

termios OnTerminal::Settings() const {
  termios settings{};
  REQUIRE(tcgetattr(terminal_, &settings) == 0);
  return settings;
}

bool OnTerminal::ReadSome() {
  pollfd readable{.fd = terminal_, .events = POLLIN, .revents = 0};
  constexpr int kPatienceMs = 60'000;  // ends a hang
  if (poll(&readable, 1, kPatienceMs) <= 0) return false;
  char piece[4096];
  const ssize_t size = read(terminal_, piece, sizeof(piece));  // EIO at the end
  if (size <= 0) return false;
  shown_.append(piece, static_cast<size_t>(size));
  return true;
}

}  // namespace muster::vmm::testing
