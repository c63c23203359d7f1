#pragma once

#include <absl/status/statusor.h>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <muster/vmm/cli/options.h>

namespace muster::vmm {

// The options of muster stress.
class StressArguments {
 public:
  // Declares them to `command`, which this outlives.
  explicit StressArguments(CLI::App& command);
  StressArguments(const StressArguments&) = delete;
  StressArguments& operator=(const StressArguments&) = delete;

  // What they say, once they are parsed. InvalidArgument: not together, or one is missing.
  absl::StatusOr<StressOptions> Finish() const;

 private:
  StressOptions stress_;
  std::vector<std::string> words_;
  CLI::Option *script_, *signature_, *runs_;
};

}  // namespace muster::vmm
