#pragma once

#include <muster/vmm/cli/options.h>

namespace muster::vmm {

// Says what this host is to Muster, on stdout. 0 where guests can run, else 6; 14 where it could
// not be said.
int DoctorCommand(const DoctorOptions& options);

}  // namespace muster::vmm
