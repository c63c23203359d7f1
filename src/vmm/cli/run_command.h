#pragma once

#include <muster/vmm/cli/options.h>

namespace muster::vmm {

// `muster run`: runs the guest, reports on stderr, and returns the exit status.
int RunCommand(const RunOptions& options);

}  // namespace muster::vmm
