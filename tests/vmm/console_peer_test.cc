// A console: keys for Muster act whatever the guest does, all others are the guest's.
#include <csignal>
#include <string>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <muster/rendezvous/sync.h>
#include <muster/vmm/serial/console_peer.h>

namespace muster::vmm {
namespace {

using Command = ConsoleKeys::Command;

// What the guest gets of these keys, with a letter in <> for each command.
std::string Press(const std::string& keys) {
  ConsoleKeys console;
  std::string all;
  for (const char key : keys) {
    std::vector<uint8_t> guest;
    const auto command = console.Press(static_cast<uint8_t>(key), guest);
    all.append(guest.begin(), guest.end());
    if (command) all += std::string("<") + "xzrh"[static_cast<int>(*command)] + ">";
  }
  return all;
}

TEST_CASE("Ctrl-A and one more key are Muster's, a Ctrl-A of the guest's takes two") {
  CHECK(Press("abc\x03\x1a\x1b\x7f") == "abc\x03\x1a\x1b\x7f");
  CHECK(Press("\x01x") == "<x>");
  CHECK(Press("a\x01zb\x01rc\x01hd") == "a<z>b<r>c<h>d");
  CHECK(Press("\x01\x01x\x01"
              "ax") == "\x01x\x01x");
  CHECK(Press("\x01?x") == "<h>x");  // one that means nothing is not the guest's
  CHECK(Press("\x01") == "");
}

struct Pipe {
  Pipe() { REQUIRE(pipe(ends) == 0); }
  ~Pipe() {
    close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
  }
  void Send(const std::string& text) const {
    REQUIRE(write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void Close() { close(std::exchange(ends[1], -1)); }
  int ends[2];
};

// A guest that takes as much as it is told.
struct Guest {
  SerialPeer::Callbacks callbacks() {
    return {.receive =
                [this](std::span<const uint8_t> bytes) {
                  sync::MutexLock lock(mutex);
                  const size_t taken = std::min(room, bytes.size());
                  received.append(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(taken));
                  room -= taken;
                  changed.Signal();
                  return taken;
                },
            .ended =
                [this] {
                  sync::MutexLock lock(mutex);
                  ended = true;
                  changed.Signal();
                },
            .lost = [](const std::string&) {}};
  }
  template <typename Condition>
  void WaitUntil(Condition condition) {
    sync::MutexLock lock(mutex);
    while (!condition()) changed.Wait(mutex);  // a hang here is the failure
  }
  sync::Mutex mutex;
  sync::CondVar changed;
  size_t room = 0;
  bool ended = false;
  std::string received;
  std::vector<Command> commands;
};

TEST_CASE("a guest that takes no keys keeps none from Muster, and what it takes late is in order") {
  Guest guest;
  const Pipe keys;
  ConsolePeer console(keys.ends[0], STDOUT_FILENO,
                      {.pressed = [] {},
                       .command =
                           [&](Command command) {
                             sync::MutexLock lock(guest.mutex);
                             guest.commands.push_back(command);
                             guest.changed.Signal();
                           }});
  console.Start(guest.callbacks());
  keys.Send("one" + std::string(2 * PendingInput::kMost, '.') + "\x01h");
  guest.WaitUntil([&] { return guest.commands == std::vector{Command::kHelp}; });
  {
    sync::MutexLock lock(guest.mutex);
    guest.room = 10 * PendingInput::kMost;
  }
  console.Room();
  guest.WaitUntil([&] { return guest.received.size() == PendingInput::kMost; });
  CHECK(guest.received.substr(0, 4) == "one.");
  keys.Send("two");
  guest.WaitUntil([&] { return guest.received.ends_with("two"); });
}

TEST_CASE("the end of a console's input comes once the guest has taken what came before") {
  Guest guest;
  Pipe keys;
  ConsolePeer console(keys.ends[0], STDOUT_FILENO, {.pressed = [] {}, .command = [](Command) {}});
  console.Start(guest.callbacks());
  keys.Send("last");
  keys.Close();
  CHECK(console.MayBringInput());
  {
    sync::MutexLock lock(guest.mutex);
    CHECK_FALSE(guest.ended);
    guest.room = 100;
  }
  console.Room();
  guest.WaitUntil([&] { return guest.ended; });
  CHECK(guest.received == "last");
  CHECK_FALSE(console.MayBringInput());
}

}  // namespace
}  // namespace muster::vmm
