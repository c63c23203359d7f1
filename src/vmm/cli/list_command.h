#pragma once

namespace muster::vmm {

// `muster list`: the installed guests, a line each.
int ListCommand();

}  // namespace muster::vmm
