// `muster run` with guests of a few instructions, on KVM.
#include <csignal>
#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "elf_builder.h"
#include "need_kvm.h"
#include "process.h"

namespace muster::vmm {
namespace {

using muster::testing::NeedKvm;
using testing::Process;
using testing::TemporaryFile;

std::vector<uint8_t> Image(const std::vector<uint8_t>& code) {
  testing::ElfBuilder image;
  image.segments = {{.address = 0x100000, .bytes = code}};
  image.symbols = {{"start", 0x100000, 0}};
  return image.Build();
}

// 32-bit code.
const std::vector<uint8_t> kPowerOff = {0xba, 0x04, 0x06, 0,   0,  // mov edx, 0x604
                                        0xb8, 0x00, 0x20, 0,   0,  // mov eax, 0x2000
                                        0x66, 0xef, 0xeb, 0xfe};   // out dx, ax; jmp .
const std::vector<uint8_t> kSpin = {0xfb, 0xeb, 0xfe};             // sti; jmp .
const std::vector<uint8_t> kHang = {0xfa, 0xf4, 0xeb, 0xfd};       // cli; hlt; jmp hlt
const std::vector<uint8_t> kReset = {0xba, 0xf9, 0x0c, 0, 0, 0xb0, 6, 0xee, 0xeb, 0xfe};
const std::vector<uint8_t> kUndefined = {0x0f, 0x0b};                // ud2, with no IDT
const std::vector<uint8_t> kLines = {0xba, 0xf8, 0x03, 0,    0,      // mov edx, 0x3f8
                                     0xb0, 'y',  0xee,               // mov al, 'y'; out dx, al
                                     0xb0, '\n', 0xee, 0xeb, 0xf8};  // again

std::vector<uint8_t> Exit(uint32_t value) {
  std::vector<uint8_t> code = {0xb8, 0, 0, 0, 0, 0xe7, 0xf4, 0xeb, 0xfe};  // mov; out 0xf4, eax
  testing::Store(code, 1, value);
  return code;
}

// Puts out a byte on COM1 and one on the debug console, then goes on with `next`.
std::vector<uint8_t> Say(char serial, char debug, const std::vector<uint8_t>& next) {
  std::vector<uint8_t> code = {0xba,
                               0xf8,
                               0x03,
                               0,
                               0,
                               0xb0,
                               static_cast<uint8_t>(serial),
                               0xee,
                               0xb0,
                               static_cast<uint8_t>(debug),
                               0xe6,
                               0xe9};
  testing::Append(code, next);
  return code;
}

struct Guest {
  explicit Guest(const std::vector<uint8_t>& code) : file(Image(code)) { NeedKvm(); }

  std::vector<std::string> Command(const std::vector<std::string>& more) const {
    std::vector<std::string> command = {MUSTER_BINARY, "run", file.path()};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  Process::Result Run(const std::vector<std::string>& more = {}) const {
    return Process(Command(more)).Wait();
  }

  TemporaryFile file;
};

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("power-off ends a run with 0 and without a word, for 1, 2 and 64 CPUs") {
  const Guest guest(kPowerOff);
  for (const char* cpus : {"1", "2", "64"}) {
    const Process::Result result = guest.Run({"--cpus", cpus});
    CHECK(result.status == 0);
    CHECK(result.out.empty());
    CHECK(result.err.empty());
  }
}

TEST_CASE("a reset ends a run with 0 and says which") {
  const Process::Result result = Guest(kReset).Run();
  CHECK(result.status == 0);
  CHECK(Has(result.err, "reset control register, port 0xcf9"));
}

TEST_CASE("a guest's exit value gives an odd status, cut down where it must be, and said so") {
  CHECK(Guest(Exit(0)).Run().status == 1);
  CHECK(Guest(Exit(1)).Run().status == 3);
  CHECK(Guest(Exit(127)).Run().status == 255);
  const TemporaryFile json;
  const Process::Result large = Guest(Exit(0x181)).Run({"--json", json.path()});
  CHECK(large.status == 3);
  CHECK(Has(large.err, "wrote 385 to the debug-exit port 0xf4: exit status 3, which is cut down"));
  CHECK(Has(json.Read(), "\"guest_value\": 385,"));
  CHECK(Has(json.Read(), "\"exit_status\": 3,"));
}

TEST_CASE("a guest that says it has failed is reported, one that says it has passed is not") {
  const Process::Result failed = Guest(Exit(1)).Run({"--cpus", "3"});
  CHECK(Has(failed.err, "1-2  wait-for-SIPI"));
  const Process::Result passed = Guest(Exit(0)).Run({"--cpus", "3"});
  CHECK_FALSE(Has(passed.err, "wait-for-SIPI"));
}

TEST_CASE("a jump to where there is no memory is called that, and not an instruction of KVM's") {
  const std::vector<uint8_t> jump = {0xb8, 0x78, 0x56, 0x34, 0x12, 0xff, 0xe0};  // jmp 0x12345678
  const TemporaryFile json;
  const Process::Result result = Guest(jump).Run({"--memory", "256M", "--json", json.path()});
  CHECK(result.status == 8);
  CHECK(Has(result.err, "it jumped to 0x12345678, where there is no RAM to execute"));
  CHECK(Has(json.Read(), "\"no_code\": true"));
}

TEST_CASE("serial line and debug console come out whole, however the run ends") {
  for (const auto& [ending, status] :
       {std::pair(kPowerOff, 0), std::pair(kUndefined, 8), std::pair(kHang, 10)}) {
    const Process::Result result = Guest(Say('s', 'd', ending)).Run();
    CHECK(result.status == status);
    CHECK((result.out == "sd" || result.out == "ds"));
  }
}

TEST_CASE("a crash ends a run with 8 and a report of every vCPU") {
  const TemporaryFile json;
  const Process::Result result = Guest(kUndefined).Run({"--cpus", "3", "--json", json.path()});
  CHECK(result.status == 8);
  CHECK(Has(result.err, "the guest crashed on cpu 0"));
  CHECK(Has(result.err, "1-2  wait-for-SIPI"));
  CHECK(Has(json.Read(), "\"outcome\": \"guest-crash\""));
}

TEST_CASE("output to a stdout that is closed is lost with an error, not in silence") {
  const std::string list = std::string(MUSTER_BINARY) + " list >&-";
  const Process::Result listed = Process({"/bin/sh", "-c", list}).Wait();
  CHECK(listed.status == 14);
  CHECK(Has(listed.err, "writing to stdout: Bad file descriptor"));
  const Guest guest(kLines);
  const std::string run = std::string(MUSTER_BINARY) + " run " + guest.file.path() + " >&-";
  CHECK(Process({"/bin/sh", "-c", run}).Wait().status == 14);
}

TEST_CASE("the last of a guest's output is not lost in silence, though the guest has passed") {
  const Guest powers_off(Say('x', 'y', kPowerOff)), exits(Say('x', 'y', Exit(0)));
  for (const Guest* guest : {&powers_off, &exits}) {
    const Process::Result result = guest->Run({"--serial", "/dev/full"});
    CHECK(result.status == 14);
    CHECK(Has(result.err, "can't be written: --serial /dev/full: No space left on device"));
  }
  // What it says of itself comes first.
  CHECK(Guest(Say('x', 'y', Exit(3))).Run({"--serial", "/dev/full"}).status == 7);
}

TEST_CASE("a triple fault's report has the tables' registers, and what an IDT of limit 0 means") {
  // lidt [0x100020]; ud2; what it loads: limit, base
  std::vector<uint8_t> code = {0x0f, 0x01, 0x1d, 0x20, 0x00, 0x10, 0x00, 0x0f, 0x0b};
  code.resize(0x20);
  testing::Append(code, {0, 0, 0x00, 0x60, 0x34, 0});
  const TemporaryFile json;
  const Process::Result result = Guest(code).Run({"--json", json.path()});
  CHECK(result.status == 8);
  if (Has(result.err, "did not keep the registers")) {  // kvm_amd resets them
    CHECK_FALSE(Has(result.err, "The IDT's limit"));
    return;
  }
  CHECK(Has(result.err, "IDTR 346000 limit 0\n"));
  CHECK(Has(result.err, "The IDT's limit is 0: no exception can be delivered."));
  CHECK(Has(json.Read(), "\"idt_base\": \"0x346000\""));
  CHECK(Has(json.Read(), "\"gdt_limit\": \"0x"));
}

TEST_CASE("where stdout and stderr are closed, the JSON report is still alone in its file") {
  const Guest guest(Say('s', 'd', kUndefined));
  const TemporaryFile json;
  const std::string command = MUSTER_BINARY " run " + guest.file.path() + " --json " + json.path();
  for (const char* closed : {" >&-", " 2>&-", " <&- >&- 2>&-"}) {
    INFO(closed);
    CHECK(Process({"/bin/sh", "-c", command + closed}).Wait().status == 8);
    CHECK(json.Read().substr(0, 1) == "{");
    CHECK(Has(json.Read(), "\"outcome\": \"guest-crash\""));
    CHECK_FALSE(Has(json.Read(), "muster:"));
  }
}

TEST_CASE("a guest in which no CPU can ever run again ends with 10 and says so") {
  const Process::Result result = Guest(kHang).Run({"--cpus", "4"});
  CHECK(result.status == 10);
  CHECK(Has(result.err, "no CPU can ever run again"));
  CHECK(Has(result.err, "halted"));
  CHECK(Has(result.err, "start+0x2"));
}

TEST_CASE("a timeout ends a run with 12 and a report") {
  const Process::Result result = Guest(kSpin).Run({"--timeout", "100ms"});
  CHECK(result.status == 12);
  CHECK(Has(result.err, "had not ended when its time was up (100 ms)"));
  CHECK(Has(result.err, "running"));
}

TEST_CASE("SIGINT and SIGTERM end a run with 130 and a report") {
  const Guest guest(Say('>', '>', kSpin));
  for (int signal : {SIGINT, SIGTERM}) {
    Process process(guest.Command({"--cpus", "3"}));
    REQUIRE(process.WaitFor(">"));
    process.Signal(signal);
    const Process::Result result = process.Wait();
    CHECK(result.status == 130);
    CHECK(Has(result.err, "stopped by "));
    CHECK(Has(result.err, "1-2  wait-for-SIPI"));
  }
}

TEST_CASE("SIGQUIT prints a report and the run goes on") {
  const Guest guest(Say('>', '>', kSpin));
  Process process(guest.Command({}));
  REQUIRE(process.WaitFor(">"));
  process.Signal(SIGQUIT);
  REQUIRE(process.WaitFor("running for"));
  REQUIRE(process.WaitFor("wait-for-SIPI"));
  process.Signal(SIGQUIT);
  process.Signal(SIGINT);
  CHECK(process.Wait().status == 130);
}

TEST_CASE("SIGTSTP stops the guest and the process, SIGCONT lets both go on") {
  const Guest guest(Say('>', '>', kSpin));
  Process process(guest.Command({"--cpus", "3", "--timeout", "300s"}));
  REQUIRE(process.WaitFor(">"));
  for (int i = 0; i < 3; ++i) {
    process.Signal(SIGTSTP);
    process.WaitUntilStopped();
    process.Signal(SIGCONT);
  }
  process.Signal(SIGQUIT);  // its CPUs answer
  REQUIRE(process.WaitFor("running for"));
  process.Signal(SIGINT);
  const Process::Result result = process.Wait();
  CHECK(result.status == 130);
  CHECK_FALSE(Has(result.err, "unpaused"));
  CHECK_FALSE(Has(result.err, "clocks"));
}

TEST_CASE("SIGINT and a timeout end a run whose output nobody reads") {
  const Guest guest(kLines);
  Process::Options options;
  options.read_stdout = false;
  Process timed(guest.Command({"--timeout", "2s"}), options);
  timed.WaitUntilStdoutIsFull();
  CHECK(timed.Wait().status == 12);
  Process process(guest.Command({}), options);
  process.WaitUntilStdoutIsFull();
  process.Signal(SIGINT);
  CHECK(process.Wait().status == 130);
}

TEST_CASE("the CPUs coming up and what they did are shown by --stats") {
  const Process::Result result = Guest(kPowerOff).Run({"--cpus", "2", "--stats"});
  CHECK(result.status == 0);
  CHECK(Has(result.err, "The CPUs coming up"));
  CHECK(Has(result.err, "EXITS"));
}

TEST_CASE("accesses that nobody serves read all ones and are reported") {
  const std::vector<uint8_t> code = {0xe4, 0x5a,                          // in al, 0x5a
                                     0x8b, 0x1d, 0x00, 0x00, 0x00, 0xd0,  // mov ebx, [0xd0000000]
                                     0x3c, 0xff, 0x75, 0x05,              // cmp al, 0xff; jne fail
                                     0x83, 0xfb, 0xff, 0x74, 0x06,        // cmp ebx, -1; je pass
                                     0xb0, 0x01, 0xe6, 0xf4, 0xeb, 0xfe,  // fail: out 0xf4, 1
                                     0xfa, 0xf4};                         // pass: cli; hlt
  const Process::Result result = Guest(code).Run();
  CHECK(result.status == 10);
  CHECK(Has(result.err, "ports that nobody serves: 0x5a (1r 0w)"));
  CHECK(Has(result.err, "addresses that nobody serves: 0xd0000000 (1r 0w)"));
}

TEST_CASE("more memory than lies below the hole") {
  CHECK(Guest(kPowerOff).Run({"--memory", "5G"}).status == 0);
}

TEST_CASE("an ELF64 starts in 64-bit mode") {
  NeedKvm();
  testing::ElfBuilder image;
  image.is_64 = true;
  std::vector<uint8_t> code = {0x48, 0xc7, 0xc1, 0xff, 0xff, 0xff, 0xff,  // mov rcx, -1
                               0x48, 0xc1, 0xe9, 0x20,                    // shr rcx, 32
                               0x51, 0x58,                                // push rcx; pop rax
                               0x83, 0xf8, 0xff, 0x74, 0x06,              // cmp eax, -1; je pass
                               0xb0, 0x01, 0xe6, 0xf4, 0xeb, 0xfe};
  testing::Append(code, kPowerOff);
  image.segments = {{.address = 0x100000, .bytes = code}};
  const TemporaryFile file(image.Build());
  CHECK(Process({MUSTER_BINARY, "run", file.path(), "--timeout", "20s"}).Wait().status == 0);
}

}  // namespace
}  // namespace muster::vmm
