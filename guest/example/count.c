#include "runtime/guest.h"

static struct SpinLock lock;
static uint32_t total;

static void Count(void* times) {
  for (uint32_t i = 0; i < *(uint32_t*)times; ++i) {
    Lock(&lock);
    ++total;
    Unlock(&lock);
  }
}

void GuestMain(void) {
  uint32_t times = (uint32_t)CommandLineNumber("times", 100);
  StartAllCpus();
  RunOnAll(Count, &times);
  Print("%u cpus counted to %u", CpuCount(), total);
  CHECK_EQUAL(total, CpuCount() * times);
}
