// `muster run` in the foreground of a terminal: its keys work, and it is left as it was.
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "need_kvm.h"
#include "on_terminal.h"
#include "process.h"

namespace muster::vmm {
namespace {

using testing::OnTerminal;
using testing::TemporaryFile;

// Real mode, as all of these. sti; mov al, '>'; mov dx, 0x3f8; out dx, al; jmp .
const std::vector<uint8_t> kSayThenSpin = {0xfb, 0xb0, '>', 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xfe};

// Says what it hears; q powers off, c crashes.
const std::vector<uint8_t> kEcho = {
    0xb0, '>',  0xba, 0xf8, 0x03, 0xee,              //       mov al, '>'; out 0x3f8, al
    0xba, 0xfd, 0x03,                                // wait: mov dx, 0x3fd
    0xec, 0xa8, 0x01, 0x74, 0xfb,                    //       in al, dx; test al, 1; jz in
    0xb2, 0xf8, 0xec, 0xee,                          //       mov dl, 0xf8; in al, dx; out dx, al
    0x3c, 'q',  0x74, 0x06,                          //       cmp al, 'q'; je off
    0x3c, 'c',  0x74, 0x0a,                          //       cmp al, 'c'; je crash
    0xeb, 0xea,                                      //       jmp wait
    0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xf4,  // off: mov dx, 0x604; mov ax, 0x2000; out
    0x0f, 0x01, 0x1e, 0x00, 0x05, 0x0f, 0x0b,        // crash: lidt [0x500], which is 0; ud2
};

struct Running {
  Running(const std::vector<uint8_t>& code, const std::vector<std::string>& more)
      : image((muster::testing::NeedKvm(), code)), terminal(Words(image, more)) {}

  static std::vector<std::string> Words(const TemporaryFile& image,
                                        const std::vector<std::string>& more) {
    std::vector<std::string> words = {MUSTER_BINARY, "run", image.path(), "--flat", "0x7c00"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  TemporaryFile image;
  OnTerminal terminal;
};

// A guest on its console, whose first words have come.
struct OnConsole : Running {
  explicit OnConsole(const std::vector<uint8_t>& code) : Running(code, {"--serial", "console"}) {
    terminal.WaitFor("Ctrl-A x ends the run");
    terminal.WaitFor(">");
  }
};

TEST_CASE("Ctrl-C and Ctrl-backslash act from the keyboard and leave the terminal as it was") {
  Running run(kSayThenSpin, {"--cpus", "3"});
  run.terminal.WaitFor(">");
  run.terminal.Press("\x1c");
  run.terminal.WaitFor("running for");
  run.terminal.Press("x");  // for the guest, which does not look
  run.terminal.Press("\x03");
  CHECK(run.terminal.Wait() == 130);
  CHECK(run.terminal.SettingsAreKept());
}

TEST_CASE("on a console every key is the guest's, but for Ctrl-A and what follows it") {
  OnConsole run(kEcho);
  run.terminal.Press("a\x03");  // a Ctrl-C that ends nothing, and no line is waited for
  run.terminal.WaitFor("a\x03");
  run.terminal.Press("\x1c\x1a\x11\r");
  run.terminal.WaitFor("\x1c\x1a\x11\r");
  // Nothing of what is Muster's is the guest's.
  run.terminal.Press(
      "\x01\x01\x01"
      "a!");
  CHECK(run.terminal.WaitFor("!") == "\x01\x01!");
  run.terminal.Press("\x01h");
  run.terminal.WaitFor("x ends the run, z pauses it");
  run.terminal.WaitFor("sends Ctrl-A\r\n");
  run.terminal.Press("?");
  CHECK(run.terminal.WaitFor("?") == "?");
  run.terminal.Press("\x01r");
  run.terminal.WaitFor("running for");
  run.terminal.Press("\x01x");
  run.terminal.WaitFor("stopped by Ctrl-A x");
  CHECK(run.terminal.Wait() == 130);
  CHECK(run.terminal.SettingsAreKept());
}

TEST_CASE("Ctrl-A x ends a guest that never looks for input, however many keys came before") {
  OnConsole run(kSayThenSpin);
  for (int i = 0; i < 10; ++i) run.terminal.Press(std::string(1000, 'k'));
  run.terminal.Press("\x01x");
  CHECK(run.terminal.Wait() == 130);
  CHECK(run.terminal.SettingsAreKept());
}

TEST_CASE("a console's terminal is left as it was, however the process ends") {
  // By itself, by a crash of the guest's, and by signals: those that are waited for, failures, and
  // what else ends a process.
  const std::vector<std::pair<std::string, int>> kKeys = {{"q", 0}, {"c", 8}};
  for (const auto& [key, status] : kKeys) {
    INFO(key);
    OnConsole run(kEcho);
    run.terminal.WaitUntilRaw();
    run.terminal.Press(key);
    CHECK(run.terminal.Wait() == status);
    CHECK(run.terminal.SettingsAreKept());
  }
  // AddressSanitizer would take it, and end with a status of its own.
  setenv("ASAN_OPTIONS", "handle_segv=0", 1);  // NOLINT(concurrency-mt-unsafe): no other thread
  const std::vector<std::pair<int, int>> kSignals = {{SIGINT, 130},
                                                     {SIGTERM, 130},
                                                     {SIGHUP, 130},
                                                     {SIGABRT, 128 + SIGABRT},
                                                     {SIGSEGV, 128 + SIGSEGV},
                                                     {SIGTRAP, 128 + SIGTRAP},
                                                     {SIGUSR2, 128 + SIGUSR2},
                                                     {SIGALRM, 128 + SIGALRM},
                                                     {SIGXCPU, 128 + SIGXCPU},
                                                     {SIGIO, 128 + SIGIO},
                                                     {SIGRTMAX, 128 + SIGRTMAX}};
  for (const auto& [signal, status] : kSignals) {
    INFO(signal);
    OnConsole run(kEcho);
    run.terminal.WaitUntilRaw();
    run.terminal.Signal(signal);
    CHECK(run.terminal.Wait() == status);
    CHECK(run.terminal.SettingsAreKept());
  }
}

TEST_CASE("a console's terminal is as it was while the process is stopped, and raw again after") {
  OnConsole run(kEcho);
  for (const bool by_key : {true, false}) {
    run.terminal.WaitUntilRaw();
    if (by_key) {
      run.terminal.Press("\x01z");
    } else {
      run.terminal.Signal(SIGTSTP);
    }
    run.terminal.WaitUntilStopped();
    CHECK(run.terminal.SettingsAreKept());
    run.terminal.Signal(SIGCONT);
    run.terminal.WaitUntilRaw();
    run.terminal.Press("e\x03");
    run.terminal.WaitFor("e\x03");
  }
  // Stopped by what can't be caught, and the terminal is another's in between.
  run.terminal.Signal(SIGSTOP);
  run.terminal.WaitUntilStopped();
  run.terminal.Reset();
  run.terminal.Signal(SIGCONT);
  run.terminal.WaitUntilRaw();
  run.terminal.Press("\x01x");
  CHECK(run.terminal.Wait() == 130);
  CHECK(run.terminal.SettingsAreKept());
}

}  // namespace
}  // namespace muster::vmm
