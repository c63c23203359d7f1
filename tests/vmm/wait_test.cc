// What `muster run` says of a meeting that lasts.
#include <csignal>
#include <string>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "elf_builder.h"
#include "need_kvm.h"
#include "process.h"

namespace muster::vmm {
namespace {

using testing::Process;

TEST_CASE("who waits for a CPU that is held up by a device is told, and what that CPU does") {
  muster::testing::NeedKvm();
  // Real mode. CPU 0 starts the other, and goes on sending it SIPIs, each of which is a meeting.
  std::vector<uint8_t> code = {
      0x66, 0xb9, 0x1b, 0,    0,    0, 0x0f, 0x32, 0x80, 0xcc, 0x04, 0x0f, 0x30,  // to x2APIC mode
      0x66, 0xb9, 0x30, 8,    0,    0,                                            // the ICR
      0x66, 0xb8, 0,    0x45, 0x0c, 0, 0x0f, 0x30,               // INIT to all but itself
      0x66, 0xb8, 8,    0x46, 0x0c, 0, 0x0f, 0x30, 0xeb, 0xf6};  // SIPI, again and again
  code.resize(0x400);
  // At 0x8000: CPU 1 writes to a serial line whose output nobody reads.
  testing::Append(code, std::vector<uint8_t>{0xba, 0xf8, 0x03, 0xb0, 'x', 0xee, 0xeb, 0xfd});
  const testing::TemporaryFile file(code);
  Process::Options options;
  options.read_stdout = false;
  Process process({MUSTER_BINARY, "run", file.path(), "--flat", "0x7c00", "--timeout", "60s"},
                  options);
  process.WaitUntilStdoutIsFull();
  REQUIRE(process.WaitFor("muster: SIPI by CPU 0 has waited"));
  REQUIRE(process.WaitFor("\n"));
  process.Signal(SIGINT);  // nobody waits for it any more
  const Process::Result result = process.Wait();
  CHECK(result.status == 130);
  CHECK(result.err.find("  CPU 1: has not come, kicked") != std::string::npos);
  CHECK(result.err.find("; running, in its caller's hands, entry ") != std::string::npos);
}

}  // namespace
}  // namespace muster::vmm
