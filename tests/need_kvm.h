#pragma once

#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace muster::testing {

// Ends a test that starts guests where there is no KVM, as skipped, with the reason.
inline void NeedKvm() {
  if (access("/dev/kvm", R_OK | W_OK) == 0) return;
  std::puts("skipped: /dev/kvm cannot be opened here");
  std::fflush(stdout);
  _exit(77);  // whatever else runs
}

}  // namespace muster::testing
