#pragma once

#include <absl/status/statusor.h>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <muster/vmm/cli/options.h>

namespace muster::vmm {

// The options of muster run.
class RunArguments {
 public:
  // Declares them to `command`, which this outlives.
  explicit RunArguments(CLI::App& command);
  RunArguments(const RunArguments&) = delete;
  RunArguments& operator=(const RunArguments&) = delete;

  // What they say, once they are parsed; `words` came after --. InvalidArgument: not together.
  absl::StatusOr<RunOptions> Finish(const std::vector<std::string>& words) const;

 private:
  RunOptions run_;
};

}  // namespace muster::vmm
