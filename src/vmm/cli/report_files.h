#pragma once

#include <absl/status/status.h>
#include <cstdio>
#include <memory>
#include <string>

#include <muster/vmm/cli/options.h>

namespace muster::vmm {

// Where --json and --trace go. All errors are sentences that begin with the option and the name.
class ReportFiles {
 public:
  // Before the guest starts, so that a wrong name costs no run. `serial` is the descriptor of the
  // file that its serial line goes to, -1 where that is none: two of these must not be one.
  absl::Status Open(const RunOptions& options, int serial);

  bool wants_json() const { return json_.file != nullptr; }
  bool wants_trace() const { return trace_.file != nullptr; }
  // Takes the place of what was put there before, but on stdout.
  absl::Status PutJson(const std::string& text);
  absl::Status PutTrace(const std::string& text);

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  struct Target {
    const char* option;
    std::string name = {};
    std::unique_ptr<std::FILE, Closer> file = nullptr;  // null: it is not wanted

    absl::Status Open(const std::string& named);
    absl::Status Error() const;  // by errno
    int fd() const { return file ? fileno(file.get()) : -1; }
  };

  Target json_{"--json"}, trace_{"--trace"};
};

}  // namespace muster::vmm
