#pragma once

namespace muster::vmm {

// `muster list`: the installed guests, a line each, on stdout. The exit status.
int ListCommand();

}  // namespace muster::vmm
