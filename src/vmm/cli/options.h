#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <muster/vmm/cli/serial_choice.h>

namespace muster::vmm {

struct RunOptions {
  std::string image;
  int cpus = 2;
  uint64_t memory_bytes = uint64_t{256} << 20;
  std::string arguments;         // --cmdline, and the words after --
  std::string initrd;            // "": none
  std::optional<uint64_t> flat;  // where an image without a format goes
  SerialChoice serial;
  std::string json;   // "": none; "-": stdout
  std::string trace;  // "": none
  std::optional<uint64_t> timeout_ns;
  bool stats = false;
};

struct ListOptions {};

struct DoctorOptions {
  bool json = false;
};

struct StressOptions {
  bool suite = false;
  bool list = false;                     // the suite's scenarios are named, not run
  std::vector<std::string> names;        // ID or ID/VARIANT; none: the whole suite
  std::string image, script, signature;  // without suite; signature "": none
  int runs = 1;
  uint64_t timeout_ns = 60'000'000'000;  // of a run
  std::string json;                      // "": none; "-": stdout
};

// The command line asks for nothing but a text, or is wrong.
struct PrintAndExit {
  int status;
  std::string to_stdout, to_stderr;
};

using Options = std::variant<RunOptions, ListOptions, DoctorOptions, StressOptions, PrintAndExit>;

Options ParseCommandLine(int argc, const char* const* argv);

}  // namespace muster::vmm
