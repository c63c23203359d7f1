// `muster run` in the foreground of a terminal: its keys work, and it is left as it was.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <pty.h>
#include <string>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <vector>

#include <catch2/catch.hpp>

#include "elf_builder.h"
#include "process.h"

namespace muster::vmm {
namespace {

// mov al, '>'; mov dx, 0x3f8; out dx, al; jmp .
const std::vector<uint8_t> kSayThenSpin = {0xb0, '>', 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xfe};

// `muster run` as the leader of a session whose terminal this holds the other end of.
class OnTerminal {
 public:
  explicit OnTerminal(const std::vector<std::string>& words) {
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
  ~OnTerminal() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(terminal_);
  }
  OnTerminal(const OnTerminal&) = delete;
  OnTerminal& operator=(const OnTerminal&) = delete;

  void Press(char key) { REQUIRE(write(terminal_, &key, 1) == 1); }
  // What has come since the last call has `text` in it, sooner or later.
  void WaitFor(const char* text) {
    while (shown_.find(text) == std::string::npos) {
      INFO(shown_);
      REQUIRE(ReadSome());
    }
    shown_.clear();
  }
  // Reads to the end; the exit status.
  int Wait() {
    while (ReadSome()) {
    }
    int status = 0;
    REQUIRE(waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  bool SettingsAreKept() const {
    const termios now = Settings();
    return now.c_iflag == settings_.c_iflag && now.c_oflag == settings_.c_oflag &&
           now.c_cflag == settings_.c_cflag && now.c_lflag == settings_.c_lflag &&
           std::memcmp(now.c_cc, settings_.c_cc, sizeof(now.c_cc)) == 0;
  }

 private:
  termios Settings() const {
    termios settings{};
    REQUIRE(tcgetattr(terminal_, &settings) == 0);
    return settings;
  }
  bool ReadSome() {
    pollfd readable{.fd = terminal_, .events = POLLIN, .revents = 0};
    constexpr int kPatienceMs = 60'000;  // ends a hang
    if (poll(&readable, 1, kPatienceMs) <= 0) return false;
    char piece[4096];
    const ssize_t size = read(terminal_, piece, sizeof(piece));  // EIO at the end
    if (size <= 0) return false;
    shown_.append(piece, static_cast<size_t>(size));
    return true;
  }

  int terminal_ = -1;
  pid_t pid_ = -1;
  termios settings_{};
  std::string shown_;
};

TEST_CASE("Ctrl-C and Ctrl-backslash act from the keyboard and leave the terminal as it was") {
  if (access("/dev/kvm", R_OK | W_OK) != 0) {
    std::puts("skipped: /dev/kvm cannot be opened here");
    std::exit(77);
  }
  const testing::TemporaryFile image(kSayThenSpin);
  OnTerminal run({MUSTER_BINARY, "run", image.path(), "--flat", "0x7c00", "--cpus", "3"});
  run.WaitFor(">");
  run.Press('\x1c');
  run.WaitFor("running for");
  run.Press('x');  // for the guest, which does not look
  run.Press('\x03');
  CHECK(run.Wait() == 130);
  CHECK(run.SettingsAreKept());
}

}  // namespace
}  // namespace muster::vmm
