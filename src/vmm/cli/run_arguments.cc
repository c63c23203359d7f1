#include <charconv>
#include <fmt/format.h>

#include <muster/vmm/cli/argument_checks.h>
#include <muster/vmm/cli/help_pages.h>
#include <muster/vmm/cli/quantity.h>
#include <muster/vmm/cli/run_arguments.h>
#include <muster/vmm/memory/guest_memory.h>

namespace muster::vmm {
namespace {

constexpr int kMostCpus = 1024;

absl::StatusOr<int> ParseCpus(const std::string& text) { return ParseCount(text, kMostCpus); }

absl::StatusOr<uint64_t> ParseMemory(const std::string& text) {
  auto bytes = ParseSize(text);
  if (!bytes.ok()) return bytes;
  if (*bytes < GuestMemory::kSmallest || *bytes > GuestMemory::kLargest ||
      *bytes % GuestMemory::kPage != 0) {
    return absl::InvalidArgumentError(fmt::format(
        "'{}' is not whole pages (4K) between 1M and 1024G{}", text,
        text.find_first_not_of("0123456789") == std::string::npos ? "; without a unit it is bytes"
                                                                  : ""));
  }
  return bytes;
}

absl::StatusOr<uint64_t> ParseAddress(const std::string& text) {
  const bool hex = text.starts_with("0x");
  const char* const begin = text.data() + (hex ? 2 : 0);
  const char* const end = text.data() + text.size();
  uint64_t address = 0;
  const auto [stopped, error] = std::from_chars(begin, end, address, hex ? 16 : 10);
  if (error != std::errc() || stopped != end) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is not a guest-physical address, like 0x7c00", text));
  }
  return address;
}

std::string JoinWords(std::string text, const std::vector<std::string>& words) {
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

}  // namespace

RunArguments::RunArguments(CLI::App& command) {
  command.footer(kExamples);
  command
      .add_option("IMAGE", run_.image,
                  "an installed guest (see muster list) or, with a / in it, a file: ELF64, ELF32, "
                  "Multiboot 1, a Linux bzImage, or a kernel with a PVH entry (vmlinux)")
      ->required();
  AddParsed(command, "--cpus", ParseCpus, run_.cpus, "number of CPUs, 1 to 1024; 2 unless told")
      ->type_name("N");
  AddParsed(command, "--memory", ParseMemory, run_.memory_bytes,
            "RAM, like 64M or 2G; 256M unless told")
      ->type_name("SIZE");
  command
      .add_option("--cmdline", run_.arguments,
                  "the guest's command line; Multiboot's begins with the image's name")
      ->type_name("TEXT");
  command
      .add_option("--initrd", run_.initrd, "the kernel's initial RAM disk, or a Multiboot module")
      ->type_name("FILE")
      ->check(FileName());
  AddParsed(command, "--serial", ParseSerialChoice, run_.serial,
            "what the guest's serial line is connected to: stdio, as the terminal edits "
            "lines, unless told; console, a terminal of its own; pty, whose name is printed; "
            "unix:PATH, a socket; none; or a file, its name with a / or . in it")
      ->type_name("WHERE");
  AddParsed(command, "--flat", ParseAddress, run_.flat,
            "the image has no format: put it at this guest-physical address and start "
            "at its first byte, below 1M in real mode, else as Multiboot does")
      ->type_name("ADDRESS");
  AddParsed(command, "--timeout", ParseDuration, run_.timeout_ns,
            "end the run after 500ms, 10s, 2m ...")
      ->type_name("TIME");
  command
      .add_option("--json", run_.json,
                  "write a report as JSON when the run has ended, and on Ctrl-\\; - is stdout")
      ->type_name("FILE")
      ->check(FileNameOrStdout());
  command
      .add_option("--trace", run_.trace,
                  "write what happened, for Perfetto (ui.perfetto.dev): a track for each CPU")
      ->type_name("FILE")
      ->check(FileName());
  command.add_flag("--stats", run_.stats,
                   "show at the end what each CPU did, and how they came up");
}

absl::StatusOr<RunOptions> RunArguments::Finish(const std::vector<std::string>& words) const {
  if (run_.image.empty()) return absl::InvalidArgumentError("IMAGE is an empty name");
  if (run_.json == "-" && run_.serial.OnStdout()) {
    return absl::InvalidArgumentError(
        "--json -: stdout is the guest's serial line; name a file, or connect that line to "
        "something else, as by --serial none");
  }
  RunOptions run = run_;
  run.arguments = JoinWords(run.arguments, words);
  return run;
}

}  // namespace muster::vmm
