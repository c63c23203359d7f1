// `muster stress` with a guest of one instruction, on KVM: what comes from outside.
#include <csignal>
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

const std::vector<uint8_t> kSpin = {0xfb, 0xeb, 0xfe};  // sti; jmp .

std::vector<uint8_t> Image(const std::vector<uint8_t>& code) {
  testing::ElfBuilder image;
  image.segments = {{.address = 0x100000, .bytes = code}};
  return image.Build();
}

std::vector<uint8_t> Bytes(const std::string& text) { return {text.begin(), text.end()}; }

struct Stress {
  explicit Stress(const std::vector<uint8_t>& code, const std::string& text = "cpus 1\n")
      : image(Image(code)), script(Bytes(text)) {
    NeedKvm();
  }

  std::vector<std::string> Command(const std::vector<std::string>& more) const {
    std::vector<std::string> command = {MUSTER_BINARY, "stress", image.path(), "--script",
                                        script.path()};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  TemporaryFile image, script;
};

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("SIGTSTP stops a forced run and its time with it, SIGQUIT tells how far it is") {
  const Stress stress(kSpin, "cpus 1\nvariant a failed\nvariant b failed\n");
  Process process(stress.Command({"--timeout", "3s", "--runs", "1"}));
  REQUIRE(process.WaitFor("/a: error, NOT AS DUE: the run had not ended after 3.00 s"));
  process.Signal(SIGTSTP);
  process.WaitUntilStopped();
  usleep(3'100'000);
  process.Signal(SIGCONT);
  process.Signal(SIGQUIT);
  REQUIRE(process.WaitFor("/b, run 1 of 1, for "));
  REQUIRE(process.WaitFor("1 of 2 variants have run"));
  process.Signal(SIGTERM);
  const Process::Result result = process.Wait();
  CHECK(result.status == 130);
  CHECK(Has(result.err, "muster: stopped by SIGTERM; 1 of 2 variants had run"));
  CHECK_FALSE(Has(result.err, "/b: "));
}

TEST_CASE(
    "a forced run that is interrupted is not judged, those before it are shown and not as due") {
  const Stress stress(kSpin, "cpus 1\nvariant a failed\nvariant b failed\n");
  const TemporaryFile json;
  Process process(stress.Command({"--timeout", "1s", "--runs", "500", "--json", json.path()}));
  REQUIRE(process.WaitFor("/a: error after 1"));
  process.Signal(SIGINT);
  const Process::Result result = process.Wait();
  CHECK(result.status == 130);
  CHECK(Has(result.err, "muster: stopped by Ctrl-C; 0 of 2 variants had run"));
  CHECK(Has(result.err, " of 500 runs: the run had not ended after 1.00 s"));
  CHECK_FALSE(Has(result.err, "interrupted"));
  CHECK(
      Has(json.Read(), "\"as_due\": false,\n  \"interrupted\": true,\n  \"variants_wanted\": 2,"));
  CHECK(Has(json.Read(), "\"runs_wanted\": 500,"));
}

TEST_CASE("the time of a run is bounded also where nothing happens in it") {
  const Stress stress(kSpin);
  const TemporaryFile json;
  const auto command = stress.Command({"--timeout", "1ms", "--runs", "20", "--json", json.path()});
  CHECK(Process(command).Wait().status == 16);
  const std::string text = json.Read();
  const size_t at = text.find("\"wall_ns\": ");
  REQUIRE(at != std::string::npos);
  // Of 20 runs, on a busy host; without the bound they would not end.
  CHECK(std::stoull(text.substr(at + 11)) < 60'000'000'000);
}

}  // namespace
}  // namespace muster::vmm
