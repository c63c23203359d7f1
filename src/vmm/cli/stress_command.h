#pragma once

#include <muster/vmm/cli/options.h>

namespace muster::vmm {

// `muster stress`; the exit status.
int StressCommand(const StressOptions& options);

}  // namespace muster::vmm
