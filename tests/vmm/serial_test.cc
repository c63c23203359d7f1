// What the guest's serial line is connected to, by guests of a few instructions on KVM.
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <catch2/catch.hpp>

#include "need_kvm.h"
#include "process.h"
#include "serial_client.h"

namespace muster::vmm {
namespace {

using testing::Process;
using testing::SerialClient;
using testing::TemporaryFile;

// Real mode. Says what it hears; q powers off.
const std::vector<uint8_t> kEcho = {
    0xb0, '>',  0xba, 0xf8, 0x03, 0xee,              //       mov al, '>'; out 0x3f8, al
    0xba, 0xfd, 0x03,                                // wait: mov dx, 0x3fd
    0xec, 0xa8, 0x01, 0x74, 0xfb,                    //       in al, dx; test al, 1; jz in
    0xb2, 0xf8, 0xec, 0xee,                          //       mov dl, 0xf8; in al, dx; out dx, al
    0x3c, 'q',  0x75, 0xf0,                          //       cmp al, 'q'; jne wait
    0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xf4,  //       mov dx, 0x604; mov ax, 0x2000; out
};
// A line, and power-off.
const std::vector<uint8_t> kSayAndOff = {0xba, 0xf8, 0x03, 0xb0, 's',  0xee, 0xb0,
                                         '\n', 0xee, 0xb0, 'd',  0xe6, 0xe9, 0xba,
                                         0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xf4};
// Lines for ever.
const std::vector<uint8_t> kLines = {0xba, 0xf8, 0x03, 0xb0, 'y', 0xee,
                                     0xb0, '\n', 0xee, 0xeb, 0xf8};

struct Guest {
  explicit Guest(const std::vector<uint8_t>& code) : file((muster::testing::NeedKvm(), code)) {}

  std::vector<std::string> Command(const std::vector<std::string>& more) const {
    std::vector<std::string> command = {MUSTER_BINARY, "run", file.path(), "--flat", "0x7c00"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  Process::Result Run(const std::vector<std::string>& more) const {
    return Process(Command(more)).Wait();
  }

  TemporaryFile file;
};

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE(
    "where the serial line is a file, nothing goes to stdout, and what the file held is gone") {
  const TemporaryFile file({'o', 'l', 'd', ' ', 'l', 'i', 'n', 'e', 's'});
  const Process::Result result = Guest(kSayAndOff).Run({"--serial", file.path()});
  CHECK(result.status == 0);
  CHECK(result.out.empty());
  CHECK(result.err.empty());
  CHECK(file.Read() == "s\nd");
}

TEST_CASE("stdout is the report's where the serial line is not there") {
  const Process::Result result = Guest(kSayAndOff).Run({"--serial", "none", "--json", "-"});
  CHECK(result.status == 0);
  CHECK(result.out.substr(0, 2) == "{\n");
  CHECK(Has(result.out, "\"outcome\": \"power-off\""));
  CHECK_FALSE(Has(result.out, "s\n"));
}

TEST_CASE("one file for the serial line and a report is refused") {
  const Guest guest(kSayAndOff);
  const TemporaryFile file;
  for (const char* other : {"--json", "--trace"}) {
    const Process::Result result =
        guest.Run({"--serial", file.path(), other, "/tmp/.." + file.path()});
    CHECK(result.status == 2);
    CHECK(result.err == std::string("muster: ") + other + " and --serial name the same file\n");
  }
  // The same pipe.
  const Process::Result piped = guest.Run({"--serial", "/dev/stdout", "--json", "-"});
  CHECK(piped.status == 2);
}

TEST_CASE("the end of input does not end a run") {
  const Guest guest(kEcho);
  for (const char* where : {"stdio", "console"}) {
    Process process(guest.Command({"--serial", where}), {.input = "one two"});
    REQUIRE(process.WaitFor("one two"));
    process.Signal(SIGQUIT);  // it goes on
    REQUIRE(process.WaitFor("running for"));
    process.Signal(SIGTERM);
    CHECK(process.Wait().status == 130);
  }
}

TEST_CASE("a reader that has enough ends the run at once, with 14 and one line") {
  const Guest guest(kLines);
  const std::string command = MUSTER_BINARY " run " + guest.file.path() + " --flat 0x7c00";
  // head's pipe is closed while the guest goes on.
  const Process::Result result =
      Process({"/bin/bash", "-c", command + " --cpus 3 | head -1; echo ${PIPESTATUS[0]}"}).Wait();
  CHECK(result.out == "y\n14\n");
  CHECK(Has(result.err, "ended, for the guest's output can't be written: Broken pipe"));
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  const Process::Result full = guest.Run({"--serial", "/dev/full"});
  CHECK(full.status == 14);
  CHECK(Has(full.err, "can't be written: --serial /dev/full: No space left on device"));
  CHECK(std::count(full.err.begin(), full.err.end(), '\n') == 1);
}

TEST_CASE("clients of a socket come and go, and it is gone when the run has ended") {
  const Guest guest(kEcho);
  const std::string path = guest.file.path() + ".sock";
  Process process(guest.Command({"--serial", "unix:" + path}));
  for (const char* word : {"first", "second"}) {
    SerialClient client = SerialClient::Connect(path);
    if (word == std::string("first")) client.WaitFor(">");  // said before it came
    client.Send(word);
    client.WaitFor(word);
  }
  SerialClient last = SerialClient::Connect(path);
  last.Send("q");
  CHECK(last.ReadToEnd() == "q");
  const Process::Result result = process.Wait();
  CHECK(result.status == 0);
  CHECK(result.out.empty());
  CHECK(result.err.empty());
  CHECK(access(path.c_str(), F_OK) != 0);
}

TEST_CASE("a socket that is left over is replaced, and what else bears its name is not") {
  const Guest guest(kEcho);
  const std::string path = guest.file.path() + ".sock";
  const std::vector<std::string> command = guest.Command({"--serial", "unix:" + path});
  {
    Process killed(command);
    SerialClient::Connect(path).WaitFor(">");
    const Process::Result second = Process(command).Wait();
    CHECK(second.status == 2);
    CHECK(second.err == "muster: --serial unix:" + path + ": another process listens there\n");
    killed.Signal(SIGKILL);
    CHECK(killed.Wait().status == 128 + SIGKILL);
  }
  REQUIRE(access(path.c_str(), F_OK) == 0);
  Process process(command);
  SerialClient client = SerialClient::Connect(path);
  client.WaitFor(">");
  // Another's by now, and not ours to remove.
  REQUIRE(unlink(path.c_str()) == 0);
  close(open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  client.Send("q");
  CHECK(process.Wait().status == 0);
  CHECK(access(path.c_str(), F_OK) == 0);
  const Process::Result refused = Process(command).Wait();
  CHECK(refused.status == 2);
  CHECK(refused.err == "muster: --serial unix:" + path + ": is there already, and is no socket\n");
  unlink(path.c_str());
}

TEST_CASE("clients of a pseudoterminal, whose name is printed, come and go") {
  const Guest guest(kEcho);
  Process process(guest.Command({"--serial", "pty"}));
  const std::string line = process.WaitForLine("muster: the guest's serial line is ");
  const std::string name = line.substr(line.rfind(' ') + 1);
  for (const char* word : {"first", "second"}) {
    SerialClient client = SerialClient::Open(name);
    if (word == std::string("first")) client.WaitFor(">");
    client.Send(word);
    client.WaitFor(word);
  }
  SerialClient last = SerialClient::Open(name);
  last.Send("uq");  // nothing of it is left out at the end
  CHECK(last.ReadToEnd() == "uq");
  CHECK(process.Wait().status == 0);
}

TEST_CASE("a client that does not read does not keep a run from being ended") {
  const Guest guest(kLines);
  const std::string path = guest.file.path() + ".sock";
  Process process(guest.Command({"--serial", "unix:" + path}));
  SerialClient client = SerialClient::Connect(path);
  client.WaitUntilFull();
  process.Signal(SIGINT);
  CHECK(process.Wait().status == 130);
  CHECK(access(path.c_str(), F_OK) != 0);
}

}  // namespace
}  // namespace muster::vmm
