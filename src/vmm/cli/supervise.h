#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include <muster/vmm/cli/raw_terminal.h>
#include <muster/vmm/cli/signals.h>
#include <muster/vmm/machine/machine.h>

namespace muster::vmm {

// Sees a started machine through: returns when it has ended, by itself, by SIGINT, SIGTERM or
// SIGHUP, or after `timeout_ns`, and all its vCPUs have stopped. On SIGQUIT calls `show_report` and
// goes on. On SIGTSTP the guest stands still and the process stops; after SIGCONT both go on. A
// second SIGINT, SIGTERM or SIGHUP kills the process. `terminal`, which is raw where the guest has
// it, is not while the process is stopped, nor once the run is to end.
void Supervise(Machine& machine, Signals& signals, RawTerminal& terminal,
               std::optional<uint64_t> timeout_ns, const std::function<void()>& show_report);

// Stops the guest, then the process; when that goes on, so does the guest. Of a run that has ended
// just the process.
void StopUntilContinued(Machine& machine, RawTerminal& terminal);

}  // namespace muster::vmm
