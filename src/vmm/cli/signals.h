#pragma once

#include <csignal>
#include <optional>

#include <muster/vcpu/kvm/fd.h>

namespace muster::vmm {

// The signals that steer a run, as a descriptor. While this lives they are blocked in this thread
// and those that it starts, and SIGUSR1, with which vCPUs are kicked, too; SIGPIPE is ignored. So
// is SIGHUP where it was already: that is how nohup has it.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int fd() const { return fd_.get(); }

  struct Taken {
    int number;   // SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP or SIGCONT
    bool is_own;  // this process sent it to itself
  };
  // The next one that came.
  std::optional<Taken> Take();
  // What a user calls it who ends a run with it.
  static const char* NameOf(const Taken& signal);

  // From here on SIGINT, SIGTERM and SIGHUP end the process as they would without all this.
  void LetKill();

 private:
  sigset_t taken_;
  sigset_t before_;
  vcpu::Fd fd_;
};

}  // namespace muster::vmm
