// Soft resets and interrupts of devices, by guests of a few instructions on KVM.
#include <string>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "elf_builder.h"
#include "need_kvm.h"
#include "process.h"

namespace muster::vmm {
namespace {

using testing::Append;
using testing::Process;
using testing::Store;
using testing::TemporaryFile;
using Code = std::vector<uint8_t>;

Process::Result RunFlat(const char* address, const Code& code, const std::string& input = "") {
  muster::testing::NeedKvm();
  const TemporaryFile file(code);
  const std::vector<std::string> command = {MUSTER_BINARY, "run",       file.path(), "--flat",
                                            address,       "--timeout", "60s"};
  Process process(command, {.input = input});
  return process.Wait();
}

Code Join(std::initializer_list<Code> parts) {
  Code all;
  for (const Code& part : parts) Append(all, part);
  return all;
}

// Real mode. Exits with (v << 1) | 1.
Code Exit(uint8_t value) { return {0xb0, value, 0xe6, 0xf4, 0xeb, 0xfe}; }
Code Out(uint8_t port, uint8_t value) { return {0xb0, value, 0xe6, port}; }
Code Cmos(uint8_t index, uint8_t value) { return Join({Out(0x70, index), Out(0x71, value)}); }
const Code kHalt = {0xfa, 0xf4, 0xeb, 0xfd};
// Goes on with `next` when it is executed for the first time, by a byte at 0:500; with `then`
// later.
Code FirstTime(const Code& next, const Code& then) {
  Code code = {0xfe, 0x06,
               0x00, 0x05,  // inc byte [0x500]
               0x80, 0x3e,
               0x00, 0x05,
               1,                                         // cmp byte [0x500], 1
               0x75, static_cast<uint8_t>(next.size())};  // jne then
  return Join({code, next, then});
}
const Code kCf9Soft = {0xba, 0xf9, 0x0c, 0xb0, 0x04, 0xee};  // mov dx, 0xcf9; mov al, 4; out dx, al

TEST_CASE("a flat image starts in real mode at its first byte") {
  CHECK(RunFlat("0x7c00", Exit(5)).status == 11);
  CHECK(RunFlat("0x10000", Exit(6)).status == 13);
  CHECK(RunFlat("0x12345", Exit(7)).status == 15);
}

TEST_CASE("a flat image above 1 MiB starts in protected mode") {
  // mov eax, 9; out 0xf4, eax, which real mode would read otherwise
  CHECK(RunFlat("0x100000", {0xb8, 9, 0, 0, 0, 0xe7, 0xf4, 0xeb, 0xfe}).status == 19);
}

TEST_CASE("each soft reset keeps memory and starts the image again") {
  for (const Code& reset : {Out(0x64, 0xfe), Out(0x92, 3), kCf9Soft}) {
    CHECK(RunFlat("0x7c00", FirstTime(Join({reset, kHalt}), Exit(8))).status == 17);
  }
}

TEST_CASE("INIT of the bootstrap processor starts the image again") {
  const Code init = {0x66, 0xb9, 0x1b, 0,    0,    0, 0x0f, 0x32,                 // rdmsr 0x1b
                     0x80, 0xcc, 0x04, 0x0f, 0x30,                                // to x2APIC mode
                     0x66, 0xb9, 0x30, 8,    0,    0, 0x66, 0xb8, 0, 0x45, 0, 0,  // ICR: INIT, id 0
                     0x66, 0x31, 0xd2, 0x0f, 0x30};
  CHECK(RunFlat("0x7c00", FirstTime(Join({init, kHalt}), Exit(9))).status == 19);
}

TEST_CASE("after a soft reset each of the shutdown codes leads through the vector at 40:67") {
  for (uint8_t code : Code{0x05, 0x09, 0x0a}) {
    const Code vector = {0xc7, 0x06, 0x67, 0x04, 0x00, 0x10,  // mov word [0x467], 0x1000
                         0xc7, 0x06, 0x69, 0x04, 0x00, 0x20,  // mov word [0x469], 0x2000
                         0xb8, 0x00, 0x20, 0x8e, 0xc0,        // es = 0x2000
                         // exit with 10: b0 0a e6 f4
                         0x26, 0xc7, 0x06, 0x00, 0x10, 0xb0, 0x0a, 0x26, 0xc7, 0x06, 0x02, 0x10,
                         0xe6, 0xf4};
    const Code first = Join({vector, Cmos(0x0f, code), Out(0x64, 0xfe), kHalt});
    CHECK(RunFlat("0x7c00", FirstTime(first, Exit(1))).status == 21);
  }
}

TEST_CASE("a jump to the reset vector starts the image again") {
  const Code jump = {0xea, 0xf0, 0xff, 0x00, 0xf0};  // jmp 0xf000:0xfff0
  CHECK(RunFlat("0x7c00", FirstTime(jump, Exit(14))).status == 29);
}

TEST_CASE("the port by which the boot ROM asks for the image answers nobody else") {
  const Code ask = {0xba, 0x08, 0x05, 0xee, 0xed};  // mov dx, 0x508; out dx, al; in ax, dx
  CHECK(RunFlat("0x7c00", FirstTime(Join({ask, Exit(15)}), Exit(1))).status == 31);
  const Process::Result halted = RunFlat("0x7c00", Join({ask, kHalt}));
  CHECK(halted.status == 10);
  CHECK(halted.err.find("ports that nobody serves: 0x508 (1r 1w)") != std::string::npos);
}

TEST_CASE("another shutdown code starts the image again, and one holds for one reset") {
  const Code first = Join({Cmos(0x0f, 0x04), Out(0x64, 0xfe), kHalt});
  CHECK(RunFlat("0x7c00", FirstTime(first, Exit(11))).status == 23);
  // The second life finds the status cleared.
  const Code look = {0xb0, 0x0f, 0xe6, 0x70, 0xe4, 0x71, 0xe6, 0xf4, 0xeb, 0xfe};
  CHECK(RunFlat("0x7c00", FirstTime(first, look)).status == 1);
}

TEST_CASE("a restarted image finds its own bytes as they were") {
  // At first its own byte at 7CFF is 0 and becomes 1; again it is 0. 0:500 counts.
  Code code = Join({{0x80, 0x3e, 0xff, 0x7c, 0, 0x75, 0x00,  // cmp byte [0x7cff], 0; jne
                     0xc6, 0x06, 0xff, 0x7c, 1},             // mov byte [0x7cff], 1
                    FirstTime(Join({Out(0x92, 1), kHalt}), Exit(12))});
  const Code stale = Exit(1);
  code[6] = static_cast<uint8_t>(code.size() - 7);
  Append(code, stale);
  code.resize(0x100);
  CHECK(RunFlat("0x7c00", code).status == 25);
}

TEST_CASE("the boot ROM cannot be written and is told of as an address that nobody serves") {
  // In protected mode: mov byte [0xfffffff0], 0x12; mov al, [0xfffffff0]; out 0xf4, al
  const Code code = {0xc6, 0x05, 0xf0, 0xff, 0xff, 0xff, 0x12, 0xa0,
                     0xf0, 0xff, 0xff, 0xff, 0xe6, 0xf4, 0xeb, 0xfe};
  CHECK(RunFlat("0x100000", code).status == ((0xe9 << 1 | 1) & 0xff));
}

TEST_CASE("what comes on stdin is received, and its end does not end the run") {
  // Waits for LSR bit 0, reads COM1, exits with the byte.
  const Code read = {0xba, 0xfd, 0x03, 0xec, 0xa8, 1,    0x74, 0xfb,  // in al, LSR; test; jz
                     0xba, 0xf8, 0x03, 0xec, 0xe6, 0xf4, 0xeb, 0xfe};
  CHECK(RunFlat("0x7c00", read, "7").status == ('7' << 1 | 1));
  // 'a', then at least one look at an empty line.
  const Code twice = {0xba, 0xfd, 0x03, 0xec, 0xa8, 1,    0x74, 0xfb, 0xba, 0xf8, 0x03,
                      0xec, 0xb9, 0xe8, 0x03, 0xba, 0xfd, 0x03, 0xec, 0xe2, 0xfd,  // 1,000 looks
                      0x24, 1,    0xe6, 0xf4, 0xeb, 0xfe};
  CHECK(RunFlat("0x7c00", twice, "a").status == 1);
}

// Protected mode. The I/O APIC's pin 4 to vector 0x40 of CPU 0; the APIC's IRR tells that it came.
Code Pin4(const Code& cause) {
  const auto store = [](uint32_t address, uint32_t value) {
    Code code = {0xc7, 0x05, 0, 0, 0, 0, 0, 0, 0, 0};  // mov dword [address], value
    Store(code, 2, address);
    Store(code, 6, value);
    return code;
  };
  const Code wait = {0xa1, 0x20, 0x02, 0xe0, 0xfe,  // mov eax, [0xfee00220]: IRR 40 to 5F
                     0xa8, 1,    0x74, 0xf7,        // test al, 1; jz wait
                     0xe7, 0xf4, 0xeb, 0xfe};       // out 0xf4, eax
  return Join({store(0xfec00000, 0x10 + 2 * 4), store(0xfec00010, 0x40), cause, wait});
}
Code OutDx(uint16_t port, uint8_t value) {
  Code code = {0xba, 0, 0, 0, 0, 0xb0, value, 0xee};
  Store(code, 1, port);
  return code;
}

TEST_CASE("the test device's line reaches its pin of the I/O APIC") {
  CHECK(RunFlat("0x100000", Pin4(OutDx(0x2004, 1))).status == 3);
}

TEST_CASE("COM1 interrupts on pin 4, when it can transmit and when it has received") {
  CHECK(RunFlat("0x100000", Pin4(OutDx(0x3f9, 0x02))).status == 3);
  CHECK(RunFlat("0x100000", Pin4(OutDx(0x3f9, 0x01)), "x").status == 3);
}

TEST_CASE("a line that resets the CPU which raises it does so before its next instruction") {
  // Pin 4 sends INIT to CPU 0: the image starts again, and the second time says so. 0x500 counts.
  Code code = {0xfe, 0x05, 0x00, 0x05, 0, 0,               // inc byte [0x500]
               0x80, 0x3d, 0x00, 0x05, 0, 0, 1, 0x75, 0};  // cmp byte [0x500], 1; jne
  const Code raise = {
      0xc7, 0x05, 0,    0,    0xc0, 0xfe, 0x18, 0,    0,    0,   0xc7, 0x05,
      0x10, 0,    0xc0, 0xfe, 0,    5,    0,    0,    0xba, 4,   0x20, 0,
      0,    0xb0, 1,    0xee, 0xb0, 1,    0xe6, 0xf4, 0xeb, 0xfe};  // not reached: exits with 1
  code.back() = static_cast<uint8_t>(raise.size());
  CHECK(RunFlat("0x100000", Join({code, raise, Exit(13)})).status == 27);
}

}  // namespace
}  // namespace muster::vmm
