#pragma once

#include <muster/vmm/report/style.h>

namespace muster::vmm {

// What `fd` can show: colours on a terminal alone (and not with NO_COLOR), block characters where
// the locale is UTF-8.
Style StyleFor(int fd);

}  // namespace muster::vmm
