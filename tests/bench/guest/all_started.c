// One line when every CPU has started.
#include "runtime/guest.h"

void GuestMain(void) {
  StartAllCpus();
  Print("%u cpus", CpuCount());
}
