#pragma once

#include <csignal>
#include <optional>

namespace muster::vmm {

// The signals that steer a run, as a descriptor. While this lives they are blocked in this thread
// and those that it starts, and SIGUSR1, with which vCPUs are kicked, too; SIGPIPE is ignored.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int fd() const { return fd_; }

  // The next one that came: SIGINT, SIGTERM, SIGQUIT or SIGTSTP.
  std::optional<int> Take();

  // From here on SIGINT and SIGTERM end the process as they would without all this.
  void LetKill();

 private:
  sigset_t before_;
  int fd_;
};

}  // namespace muster::vmm
