#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <muster/vmm/cli/put_out.h>
#include <muster/vmm/cli/supervise.h>
#include <muster/vmm/report/os_error.h>
#include <muster/vmm/report/style.h>

namespace muster::vmm {
namespace {

constexpr uint64_t kPauseTimeoutNs = 2'000'000'000;

// Stops the run from outside; the guest's output, whose reader may be what it hangs on, waits for
// nobody from then on.
void Stop(Machine& machine, Ending::Kind kind, std::string detail) {
  machine.End({.kind = kind, .detail = std::move(detail)});
  machine.HurryOutput();
}

}  // namespace

void StopUntilContinued(Machine& machine, RawTerminal& terminal) {
  const absl::Status paused = machine.ending() ? absl::OkStatus() : machine.Pause(kPauseTimeoutNs);
  // Whose run ends meanwhile need not stand still any more.
  const bool may_stop = paused.ok() || machine.ending();
  if (!may_stop) {
    Say(fmt::format("muster: the guest runs on, unpaused: {}\n", std::string(paused.message())));
  }
  // What the signal does by itself, but not here and now: SIGTSTP is blocked, and ours.
  if (may_stop) {
    terminal.Leave();
    kill(getpid(), SIGSTOP);
    terminal.Enter();
  }
  if (const absl::Status status = machine.Resume(); !status.ok()) {
    Say(fmt::format("muster: the guest's clocks show the pause: {}\n",
                    std::string(status.message())));
  }
}

void Supervise(Machine& machine, Signals& signals, RawTerminal& terminal,
               std::optional<uint64_t> timeout_ns, const std::function<void()>& show_report) {
  uint64_t deadline = timeout_ns ? machine.start_ns() + *timeout_ns : sync::kNever;
  while (!machine.finished()) {
    pollfd waits[] = {{machine.news_fd(), POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    timespec left{};
    if (deadline != sync::kNever) {
      const uint64_t now = machine.NowNs();
      if (now >= deadline) {
        deadline = sync::kNever;
        Stop(machine, Ending::Kind::kTimeout, FormatDuration(*timeout_ns));
        terminal.Leave();
        continue;
      }
      left.tv_sec = static_cast<time_t>((deadline - now) / 1'000'000'000);
      left.tv_nsec = static_cast<long>((deadline - now) % 1'000'000'000);
    }
    if (ppoll(waits, 2, deadline == sync::kNever ? nullptr : &left, nullptr) < 0 &&
        errno != EINTR) {
      Stop(machine, Ending::Kind::kHostFailure, fmt::format("ppoll: {}", OsError()));
    }
    machine.Tend();
    while (const std::optional<Signals::Taken> signal = signals.Take()) {
      switch (signal->number) {
        case SIGTSTP:
          if (!machine.ending()) StopUntilContinued(machine, terminal);
          break;
        case SIGCONT:
          terminal.Renew();
          break;
        case SIGQUIT:
          if (!machine.ending()) show_report();
          break;
        default:
          Stop(machine, Ending::Kind::kInterrupted, Signals::NameOf(*signal));
          terminal.Leave();
          signals.LetKill();
      }
    }
  }
}

}  // namespace muster::vmm
